import { hostname } from "node:os";
import type { Config, Surroundings } from "../config.ts";
import { BuilderError } from "../errors.ts";
import { makeQueueTables } from "../jobs/queue-tables.ts";
import type { Log } from "../log.ts";
import { listen } from "../server/listen.ts";
import { countedIntake } from "./counted-intake.ts";
import { type Foundation, openFoundation } from "./foundation.ts";
import { startGithubLoops } from "./github-loops.ts";
import { createIntake, type Intake } from "./intake.ts";
import { type PushEngine, startPushEngine } from "./push-engine.ts";
import { startServerReporting } from "./reporting.ts";
import { createServiceDoors } from "./service-doors.ts";

export interface Service {
  /** `http://HOST:PORT` as this machine reaches it. */
  readonly address: string;
  readonly databaseUrl: string;
  /**
   * Builds nothing new, lets what is being built end for up to `limitMs`, and leaves; the rest goes on elsewhere, or at
   * the next start. Deliveries are taken until the end: they only have to be stored.
   */
  stop(options: { limitMs: number }): Promise<void>;
  /** Ends the builds of the build API in the middle of a stop, and tells those who wait for them. */
  leave(): Promise<void>;
}

/** How long a build that was aborted gets to say so. */
const answerMs = 2000;

/**
 * Starts the server: what takes deliveries and builds over HTTP and, unless workers do that, what builds pushes.
 * @throws BuilderError when a part does not start; nothing of it stays then
 */
export async function startService(
  config: Config,
  options: { surroundings: Surroundings; log: Log },
): Promise<Service> {
  await using stack = new AsyncDisposableStack();
  const foundation = stack.use(await openFoundation(config, options));
  const { database, databaseUrl, github, metrics, log } = foundation;
  const intake = countedIntake(createIntake(config, { database, log }), metrics);
  const engine = await startOwnEngine(config, foundation, intake);
  stack.defer(() => engine.stop({ limitMs: 0 }));
  foundation.adoptPostgres();
  stack.use(startGithubLoops(config, { app: github.app, database, intake, log }));
  const [stopping, leaving] = [new AbortController(), new AbortController()];
  const signals = { stopping: stopping.signal, leaving: leaving.signal };
  const app = await createServiceDoors(config, foundation, { intake, ...signals });
  const listening = await listen(app, { host: config.listenHost, port: config.port });
  const rest = stack.move();
  const reason = new BuilderError("stopping", "of-builder is stopping");
  return {
    address: listening.url,
    databaseUrl,
    async stop({ limitMs }) {
      const endMs = Date.now() + limitMs;
      stopping.abort(reason);
      const limit = setTimeout(() => leaving.abort(reason), limitMs);
      await engine.stop({ limitMs });
      await listening.close({ limitMs: Math.max(0, endMs - Date.now()) + answerMs });
      clearTimeout(limit);
      leaving.abort(reason);
      await rest.disposeAsync();
    },
    async leave() {
      leaving.abort(reason);
      await listening.close({ limitMs: answerMs });
    },
  };
}

/**
 * Where workers build, the queue's tables have to be there all the same, and GitHub is told of what waits and of what was
 * cancelled also while no worker lives.
 */
async function startOwnEngine(config: Config, foundation: Foundation, { calm }: Intake): Promise<PushEngine> {
  if (config.worker) return startPushEngine(config, foundation, { executorId: executorIdOf(config), calm });
  await makeQueueTables(foundation);
  return startServerReporting(config, foundation, { holder: `server ${foundation.processName}` });
}

/** Name of this process among those on the database; the same after a restart. */
function executorIdOf({ databaseUrl, dataFolder }: Config): string {
  return databaseUrl === undefined ? "local" : `${hostname()}:${dataFolder}`;
}
