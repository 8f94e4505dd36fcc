import type { Config, Surroundings } from "../config.ts";
import { BuilderError } from "../errors.ts";
import type { Log } from "../log.ts";
import { createHealthApp } from "../server/health-routes.ts";
import { type Listening, listen } from "../server/listen.ts";
import { countedIntake } from "./counted-intake.ts";
import { type Foundation, openFoundation } from "./foundation.ts";
import { startGithubLoops } from "./github-loops.ts";
import { createIntake } from "./intake.ts";
import { createPartsCheck } from "./parts-check.ts";
import { startPushEngine } from "./push-engine.ts";

export interface Worker {
  /** Of the page for machines, where there is one. */
  readonly address: string | undefined;
  /** Takes nothing new, lets what is being built end for up to `limitMs`, and leaves; the rest goes on elsewhere. */
  stop(options: { limitMs: number }): Promise<void>;
}

/**
 * Starts a process that builds the pushes which servers take. Any number of them share the queue of a database, on as
 * many machines; each has a name that no other ever has, and what one leaves when it dies the others take over.
 * @throws BuilderError when a part does not start; nothing of it stays then
 */
export async function startWorker(config: Config, options: { surroundings: Surroundings; log: Log }): Promise<Worker> {
  if (config.databaseUrl === undefined) {
    throw new BuilderError("setting_invalid", "a worker has no database of its own: DATABASE_URL is not set", {
      fix: "Set DATABASE_URL to the PostgreSQL that the servers use.",
    });
  }
  await using stack = new AsyncDisposableStack();
  const foundation = stack.use(await openFoundation(config, options));
  const engine = await startPushEngine(config, foundation, { executorId: `worker ${foundation.processName}` });
  stack.defer(() => engine.stop({ limitMs: 0 }));
  const { database, github, metrics, log } = foundation;
  // While no server can be reached pushes are found all the same, and what people asked for is done.
  const intake = countedIntake(createIntake(config, { database, log }), metrics);
  stack.use(startGithubLoops(config, { app: github.app, database, intake, log }));
  const stopping = new AbortController();
  const listening = await listenForMachines(config, foundation, stopping.signal);
  const rest = stack.move();
  return {
    address: listening?.url,
    async stop({ limitMs }) {
      stopping.abort();
      await engine.stop({ limitMs });
      await listening?.close({ limitMs: 0 });
      await rest.disposeAsync();
    },
  };
}

async function listenForMachines(
  { workerPort: port, listenHost: host }: Config,
  foundation: Foundation,
  stopping: AbortSignal,
): Promise<Listening | undefined> {
  if (port === undefined) return undefined;
  const metrics = foundation.metrics.serve;
  return listen(createHealthApp({ metrics, parts: createPartsCheck(foundation, { stopping }) }), { host, port });
}
