import type { Config } from "../config.ts";
import type { Database } from "../database/database.ts";
import { deleteDeliveries } from "../database/deliveries.ts";
import { deleteRuns } from "../database/pushes.ts";
import { deleteReports } from "../database/reports.ts";
import { messageOf } from "../errors.ts";
import { type Engine, type EngineLimits, startEngine } from "../jobs/engine.ts";
import type { Log } from "../log.ts";
import type { PushOutcome } from "../model/outcome.ts";
import { limitOf } from "../pipeline/fair-queue.ts";
import { type FunctionWork, runFunction } from "../pipeline/run-function.ts";
import { type PushWork, runPush } from "../pipeline/run-push.ts";
import type { Metrics } from "../server/metrics.ts";
import { createCancels } from "./cancels.ts";
import type { Foundation } from "./foundation.ts";
import { createServerGit, logGit } from "./git.ts";
import { createImageBuild, createPushHands } from "./push-hands.ts";
import { startServerReporting } from "./reporting.ts";

/** How long git gets to say which one it is. */
const gitLimitMs = 30_000;

/** What builds the pushes of the queue in this process. */
export interface PushEngine {
  /** Takes nothing new, lets what is being done end for up to `limitMs`, and leaves; the rest goes on elsewhere. */
  stop(options: { limitMs: number }): Promise<void>;
}

const forgetEveryMs = 60 * 60 * 1000;
const keepMs = 14 * 24 * 60 * 60 * 1000;

/**
 * Starts the durable engine with the stories of pushes, and what tells GitHub of them.
 * @param options.executorId name of this process among those on the database; one that is the same after a restart
 *   resumes its own stories
 * @param options.calm waits while this process has more urgent things to do than to begin with a push
 * @throws BuilderError `database_unreachable`, `setting_invalid`; nothing of it stays then
 */
export async function startPushEngine(
  config: Config,
  foundation: Foundation,
  { executorId, calm }: { executorId: string; calm?(): Promise<void> },
): Promise<PushEngine> {
  const { database, databaseUrl, notices, queue, metrics, log } = foundation;
  await using stack = new AsyncDisposableStack();
  await logGit({ ...foundation, signal: AbortSignal.timeout(gitLimitMs) });
  const git = stack.use(createServerGit(config, foundation));
  const reporting = await startServerReporting(config, foundation, { holder: executorId });
  stack.defer(() => reporting.stop({ limitMs: 0 }));
  const buildImage = createImageBuild(config, { ...foundation, limit: limitOf(queue) });
  const hands = createPushHands(config, { ...foundation, ...reporting, git, buildImage });
  const engine = await startEngine<PushWork, FunctionWork>({
    databaseUrl,
    executorId,
    limits: limitsOf(config),
    ownerOf: ({ push }) => push.owner,
    cancels: createCancels({ database, notices }),
    log,
    stories: {
      async push(work, steps) {
        await calm?.();
        const outcome = await runPush(work, steps, hands);
        countFunctions(outcome, metrics);
        return outcome;
      },
      function: (work, steps) => runFunction(work, steps, hands),
    },
  });
  stack.defer(() => engine.stop({ limitMs: 0 }));
  stack.use(forgetOldWork({ database, engine, log }));
  const rest = stack.move();
  return {
    async stop({ limitMs }) {
      await engine.stop({ limitMs });
      await reporting.stop({ limitMs });
      await rest.disposeAsync();
    },
  };
}

function countFunctions({ functions }: PushOutcome, metrics: Metrics): void {
  for (const outcome of functions) {
    if (outcome.state !== "skipped") metrics.function(outcome.function, outcome.state, outcome.seconds);
  }
}

/** What stands for no limit on builds: the engine's queues want a number. */
const manyBuilds = 1000;

/**
 * A push only waits while its functions are built, so that more of them than builds are told at once. One owner has
 * half of these places at most: there is always one for somebody else.
 */
function limitsOf({ maxInflight, ownerConcurrency }: Config): EngineLimits {
  const functions = maxInflight || manyBuilds;
  const pushes = 2 * Math.max(functions, 2);
  return { pushes, pushesOfOwner: pushes / 2, functions, functionsOfOwner: ownerConcurrency };
}

/** Forgets what ended long ago, once an hour. GitHub delivers again for up to seven days: until then all is known. */
function forgetOldWork({ database, engine, log }: { database: Database; engine: Engine; log: Log }): Disposable {
  const forget = async () => {
    const before = new Date(Date.now() - keepMs);
    try {
      await engine.forget({ before });
      await deleteDeliveries(database, { before });
      await deleteReports(database, { before });
      await deleteRuns(database, { before });
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "old deliveries are not forgotten yet");
    }
  };
  const timer = setInterval(forget, forgetEveryMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
