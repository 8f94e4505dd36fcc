import { join } from "node:path";
import type { BuildkitPool } from "../buildkit/pool.ts";
import type { Config, Surroundings } from "../config.ts";
import { type Database, openDatabase } from "../database/database.ts";
import { startPostgres } from "../database/embedded-postgres.ts";
import { listenToNotices, type Notices } from "../database/notices.ts";
import { readNumbers } from "../database/numbers.ts";
import { readPlace } from "../database/places.ts";
import type { Log } from "../log.ts";
import type { BuildLogs } from "../logs/build-logs.ts";
import { createFairQueue, type FairQueue } from "../pipeline/fair-queue.ts";
import { createCredentials, type LookUpCredentials } from "../registry/credentials.ts";
import { createMetrics, type Metrics } from "../server/metrics.ts";
import { openBuildLogs } from "./build-logs.ts";
import { createPool } from "./buildkit-pool.ts";
import { createGithub, type Github } from "./github.ts";
import { openProcessFolder } from "./process-folder.ts";
import { createPushTarget, type PushTarget } from "./push-target.ts";
import { createRegistrySignIn, permitOf, type RegistrySignIn } from "./registry-sign-in.ts";
import { createSecrets, type Secrets } from "./secrets.ts";

const defaultBuildkitUrl = "tcp://of-buildkit:1234";

/** What every process of an installation stands on, whether it serves, works, or both. */
export interface Foundation extends AsyncDisposable {
  readonly surroundings: Surroundings;
  readonly log: Log;
  readonly temporaryFolder: string;
  /** Of this process alone, and of no later one. */
  readonly processName: string;
  readonly databaseUrl: string;
  readonly database: Database;
  readonly notices: Notices;
  readonly buildkit: BuildkitPool;
  readonly secrets: Secrets;
  readonly credentials: LookUpCredentials;
  readonly target: PushTarget;
  readonly signIn: RegistrySignIn;
  readonly github: Github;
  readonly logs: BuildLogs;
  readonly metrics: Metrics;
  /** The places to build in, of all that this process builds. */
  readonly queue: FairQueue;
  /** Says that no other server works on the data folder: a PostgreSQL that runs there is an orphan. */
  adoptPostgres(): void;
}

/**
 * Opens what a process stands on: PostgreSQL (unless one is given), BuildKit, GitHub, the registries.
 * @throws BuilderError when a part does not start; nothing of it stays then
 */
export async function openFoundation(
  config: Config,
  { surroundings, log }: { surroundings: Surroundings; log: Log },
): Promise<Foundation> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await openProcessFolder(join(config.dataFolder, "temporary")));
  const postgres =
    config.databaseUrl === undefined
      ? stack.use(await startPostgres({ folder: join(config.dataFolder, "postgres"), log }))
      : undefined;
  const databaseUrl = config.databaseUrl ?? postgres?.url ?? "";
  const database = stack.use(await openDatabase(databaseUrl, { log }));
  const notices = stack.use(listenToNotices({ databaseUrl, log }));
  const buildkit = createPool(config, { addresses: config.buildkitUrl ?? defaultBuildkitUrl, log });
  stack.defer(() => buildkit.close());
  const secrets = createSecrets(config.secretFolder);
  const credentials = createCredentials({ folder: config.dockerConfig });
  const target = createPushTarget({ setting: config.insecure, mirror: config.dockerMirror, credentials });
  const signIn = createRegistrySignIn({ credentials, target, permitFor: permitOf(config) });
  const github = createGithub(config, { secrets, placeOf: (id) => readPlace(database, id), log });
  const logs = stack.use(await openBuildLogs(config, { database, surroundings, log }));
  const metrics = createMetrics({ buildkit: buildkit.snapshot, installation: () => readNumbers(database) });
  const queue = createFairQueue({ maxRunning: config.maxInflight, maxWaiting: config.maxQueue });
  const rest = stack.move();
  return {
    ...{ surroundings, log, temporaryFolder: folder.path, processName: folder.name },
    ...{ databaseUrl, database, notices, buildkit, secrets, credentials, target, signIn, github, logs, metrics, queue },
    adoptPostgres: () => postgres?.adopt(),
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}
