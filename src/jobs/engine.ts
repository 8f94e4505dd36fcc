import { DBOS, Error as DbosErrors } from "@dbos-inc/dbos-sdk";
import type { Pool } from "pg";
import { BuilderError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { storyQueue } from "../model/story-queue.ts";
import type { Steps } from "../pipeline/steps.ts";
import { createSteps } from "./durable-steps.ts";
import { engineLog } from "./engine-log.ts";
import { openEnginePool } from "./engine-pool.ts";
import { holdExecutorLock } from "./executor-lock.ts";
import { forgetStories } from "./forget.ts";
import { answerOf, recordOf, type StepRecord } from "./step-record.ts";
import { takeOverDead } from "./takeover.ts";

export interface EngineOptions<PushInput, FunctionInput> {
  readonly databaseUrl: string;
  /** Name of this process among those on the database; the same after a restart, so that it resumes its own stories. */
  readonly executorId: string;
  /** Pushes told at once by this process. */
  readonly concurrency: number;
  /** Pushes of one owner told at once by all processes, so that one owner cannot keep the others waiting. */
  readonly ownerConcurrency?: number;
  readonly log: Log;
  readonly signal?: AbortSignal;
  readonly stories: {
    push(input: PushInput, steps: Steps): Promise<unknown>;
    function(input: FunctionInput, steps: Steps): Promise<unknown>;
  };
}

export interface Engine {
  /**
   * Takes no new story, lets running ones end for up to `limitMs`, then aborts the steps in progress and leaves.
   * What has not ended goes on at the next start, from its last finished step.
   */
  stop(options: { limitMs: number }): Promise<void>;
  /** Where the story of an id stands: a delivery's GUID, or that and "/" and a function's name. */
  statusOf(id: string): Promise<StoryStatus | undefined>;
  /** Forgets the pushes whose stories ended before a moment, and says how many these were. */
  forget(options: { before: Date; signal?: AbortSignal }): Promise<number>;
}

export type StoryStatus =
  | { readonly state: "waiting" | "running" }
  | { readonly state: "ended"; readonly outcome: unknown }
  | { readonly state: "failed"; readonly reason: string };

const pollingMs = 200;
/** How long aborted steps get to clean up behind themselves. */
const settleMs = 2_000;

/**
 * Starts the durable engine, DBOS Transact, in this process: it resumes the stories that it was telling when it died,
 * and takes new ones from the queue that deliveries are stored in. A process has one at a time: DBOS is a singleton.
 *
 * A push holds a place of the queue. Its functions hold none, or pushes that wait for their functions would keep
 * these from starting.
 *
 * @throws BuilderError `database_unreachable`; `setting_invalid` when a living process has the same executorId
 */
export async function startEngine<PushInput, FunctionInput>(
  options: EngineOptions<PushInput, FunctionInput>,
): Promise<Engine> {
  if (DBOS.isInitialized()) throw new Error("an engine is already running in this process");
  const leaving = new AbortController();
  const lock = await holdExecutorLock(options);
  const pool = openEnginePool(options);
  const takingOver = new AsyncDisposableStack();
  const close = async (limits: { limitMs: number; settleMs: number }) => {
    try {
      await takingOver.disposeAsync();
      await leave(leaving, limits);
    } finally {
      await pool.end();
      await lock[Symbol.asyncDispose]();
    }
  };
  try {
    registerStories(options.stories, leaving.signal);
    await launch(pool, options);
    takingOver.use(takeOverDead({ ...options, pool }));
  } catch (error) {
    await close({ limitMs: 0, settleMs: 0 });
    throw error;
  }
  let stopping: Promise<void> | undefined;
  return {
    statusOf,
    forget: forgetStories,
    stop({ limitMs }) {
      stopping ??= close({ limitMs, settleMs });
      return stopping;
    },
  };
}

function registerStories<PushInput, FunctionInput>(
  stories: EngineOptions<PushInput, FunctionInput>["stories"],
  leaving: AbortSignal,
): void {
  const steps: Steps = createSteps({
    leaving,
    startBranch: (input, { id }) => DBOS.startWorkflow(tellFunction, { workflowID: id })(input as FunctionInput),
  });
  const tellFunction = DBOS.registerWorkflow((input: FunctionInput) => tell(() => stories.function(input, steps)), {
    name: "function",
  });
  DBOS.registerWorkflow((input: PushInput) => tell(() => stories.push(input, steps)), { name: storyQueue.story });
}

/** An error of DBOS itself, such as "this story is now told elsewhere", is no end of the story: DBOS must see it. */
async function tell(story: () => Promise<unknown>): Promise<StepRecord> {
  return recordOf(story, { unless: (error) => error instanceof DbosErrors.DBOSError });
}

async function launch<PushInput, FunctionInput>(
  pool: Pool,
  options: EngineOptions<PushInput, FunctionInput>,
): Promise<void> {
  const { executorId, concurrency, ownerConcurrency = concurrency, log } = options;
  DBOS.setConfig({
    name: storyQueue.application,
    systemDatabasePool: pool,
    // With a pool DBOS reads no more of it than its form, which a URL without a user name would fail.
    systemDatabaseUrl: "postgres://of-builder@pool/of-builder",
    applicationVersion: storyQueue.version,
    executorID: executorId,
    logger: engineLog(log),
  });
  try {
    await DBOS.launch();
    await DBOS.registerQueue(storyQueue.queue, {
      workerConcurrency: concurrency,
      partitionConcurrency: ownerConcurrency,
      minPollingIntervalMs: pollingMs,
      onConflict: "always_update",
    });
  } catch (cause) {
    throw new BuilderError("database_unreachable", `the engine does not start: ${messageOf(cause)}`, { cause });
  }
}

/** `deregister` lets a later engine of this process tell other stories. */
async function leave(
  leaving: AbortController,
  { limitMs, settleMs }: { limitMs: number; settleMs: number },
): Promise<void> {
  const limit = setTimeout(() => leaving.abort(new BuilderError("stopping", "of-builder is stopping")), limitMs);
  try {
    await DBOS.shutdown({ workflowCompletionTimeoutMS: limitMs + settleMs, deregister: true });
  } finally {
    clearTimeout(limit);
    leaving.abort();
  }
}

async function statusOf(id: string): Promise<StoryStatus | undefined> {
  const status = await DBOS.getWorkflowStatus(id);
  if (!status) return undefined;
  if (status.status === "ENQUEUED" || status.status === "DELAYED") return { state: "waiting" };
  if (status.status === "PENDING") return { state: "running" };
  if (status.status !== "SUCCESS") return { state: "failed", reason: status.status };
  try {
    return { state: "ended", outcome: answerOf(status.output as StepRecord) };
  } catch (error) {
    return { state: "failed", reason: messageOf(error) };
  }
}
