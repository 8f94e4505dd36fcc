import { mkdir, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Config, Surroundings } from "../config.ts";
import { type Database, openDatabase } from "../database/database.ts";
import { deleteDeliveries, storeDelivery } from "../database/deliveries.ts";
import { startPostgres } from "../database/embedded-postgres.ts";
import { BuilderError, messageOf } from "../errors.ts";
import { type Engine, startEngine } from "../jobs/engine.ts";
import type { Log } from "../log.ts";
import type { Delivery } from "../model/delivery.ts";
import { createFairQueue, limitOf } from "../pipeline/fair-queue.ts";
import { type FunctionWork, runFunction } from "../pipeline/run-function.ts";
import { type PushWork, runPush } from "../pipeline/run-push.ts";
import { createCredentials } from "../registry/credentials.ts";
import { createApp } from "../server/app.ts";
import { listen } from "../server/listen.ts";
import { createMetrics } from "../server/metrics.ts";
import { createPool } from "./buildkit-pool.ts";
import { createBuildDoors, createWebhookDoor } from "./doors.ts";
import { createServerGit } from "./git.ts";
import { createGithub } from "./github.ts";
import { createImageBuild, createPushHands } from "./push-hands.ts";
import { createPushTarget } from "./push-target.ts";
import { createRegistrySignIn, permitOf } from "./registry-sign-in.ts";
import { createSecrets } from "./secrets.ts";

export interface Service {
  /** `http://HOST:PORT` as this machine reaches it. */
  readonly address: string;
  readonly databaseUrl: string;
  /** Takes nothing new, lets running work end for up to `limitMs`, and leaves; the rest goes on at the next start. */
  stop(options: { limitMs: number }): Promise<void>;
}

/** How long a build that was aborted gets to say so. */
const answerMs = 2000;
const keepMs = 14 * 24 * 60 * 60 * 1000;
const defaultBuildkitUrl = "tcp://of-buildkit:1234";

/**
 * Starts the server: PostgreSQL (unless one is given), the durable engine, HTTP.
 * @throws BuilderError when a part does not start; nothing of it stays then
 */
export async function startService(
  config: Config,
  { surroundings, log }: { surroundings: Surroundings; log: Log },
): Promise<Service> {
  await using stack = new AsyncDisposableStack();
  const temporaryFolder = await freshFolder(join(config.dataFolder, "temporary"));
  const postgres =
    config.databaseUrl === undefined
      ? stack.use(await startPostgres({ folder: join(config.dataFolder, "postgres"), log }))
      : undefined;
  const databaseUrl = config.databaseUrl ?? postgres?.url ?? "";
  const database = stack.use(await openDatabase(databaseUrl, { log }));
  const buildkit = createPool(config, { addresses: config.buildkitUrl ?? defaultBuildkitUrl, log });
  stack.defer(() => buildkit.close());
  const secrets = createSecrets(config.secretFolder);
  const credentials = createCredentials({ folder: config.dockerConfig });
  const target = createPushTarget({ setting: config.insecure, mirror: config.dockerMirror, credentials });
  const signIn = createRegistrySignIn({ credentials, target, permitFor: permitOf(config) });
  const queue = createFairQueue({ maxRunning: config.maxInflight, maxWaiting: config.maxQueue });
  const parts = { buildkit, target, signIn };
  const buildImage = createImageBuild(config, { ...parts, limit: limitOf(queue, "pushes") });
  const git = createServerGit(config, { temporaryFolder, surroundings, log });
  const github = createGithub(config, { secrets, log });
  const hands = createPushHands(config, { git, github, buildImage, target, credentials, database, log });

  const engine = await startEngine<PushWork, FunctionWork>({
    databaseUrl,
    executorId: config.databaseUrl === undefined ? "local" : `${hostname()}:${config.dataFolder}`,
    concurrency: Math.max(config.maxInflight, 4),
    log,
    stories: {
      push: (work, steps) => runPush(work, steps, hands),
      function: (work, steps) => runFunction(work, steps, hands),
    },
  });
  // The engine's lock says that no other server works on this folder: a PostgreSQL that runs there is an orphan.
  postgres?.adopt();
  const stopEngine = stack.adopt(engine, () => engine.stop({ limitMs: 0 }));
  stack.use(forgetOldWork({ database, engine, log }));
  const stopping = new AbortController();
  const doors = await createBuildDoors(config, {
    surroundings,
    buildImage: createImageBuild(config, { ...parts, limit: (work) => work() }),
    queue,
    temporaryFolder,
    stopping: stopping.signal,
    log,
  });
  const app = createApp({
    ...doors,
    webhook: createWebhookDoor(config, { secrets, store: (delivery, body) => store(database, delivery, body), log }),
    metrics: createMetrics({ buildkit: buildkit.snapshot }),
    parts: async ({ signal }) => ({
      database: await faultOf(() => database.query("select 1")),
      buildkit: await faultOf(() => buildkit.check({ signal })),
      queue: queue.isFull ? "as many builds wait as may" : "",
    }),
    log,
  });
  const listening = await listen(app, { host: config.listenHost, port: config.port });
  const rest = stack.move();
  return {
    address: listening.url,
    databaseUrl,
    async stop({ limitMs }) {
      const limit = setTimeout(() => stopping.abort(new BuilderError("stopping", "of-builder is stopping")), limitMs);
      await Promise.all([listening.close({ limitMs: limitMs + answerMs }), stopEngine.stop({ limitMs })]);
      clearTimeout(limit);
      await rest.disposeAsync();
    },
  };
}

/** What a killed process left is of no use: steps fetch again what they need. */
async function freshFolder(folder: string): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
}

async function store(database: Database, { decision, owner, repository, ...delivery }: Delivery, body: Buffer) {
  const known = { ...delivery, ...(owner !== undefined && { owner }), ...(repository !== undefined && { repository }) };
  if (decision.kind === "ignored") {
    return storeDelivery(database, { ...known, body, decision: { accepted: false, reason: decision.reason } });
  }
  const { push, skip } = decision;
  const work: PushWork = { push, ...(skip !== undefined && { skip }) };
  return storeDelivery(database, { ...known, body, decision: { accepted: true, reason: skip ?? "", work } });
}

/** Forgets what ended long ago, once an hour. GitHub delivers again for up to seven days: until then all is known. */
function forgetOldWork({ database, engine, log }: { database: Database; engine: Engine; log: Log }): Disposable {
  const forget = async () => {
    const before = new Date(Date.now() - keepMs);
    try {
      await engine.forget({ before });
      await deleteDeliveries(database, { before });
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "old deliveries are not forgotten yet");
    }
  };
  const timer = setInterval(forget, 60 * 60 * 1000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

async function faultOf(check: () => Promise<unknown>): Promise<string> {
  try {
    await check();
    return "";
  } catch (error) {
    return messageOf(error);
  }
}
