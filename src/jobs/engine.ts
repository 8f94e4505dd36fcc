import { DBOS } from "@dbos-inc/dbos-sdk";
import type { Pool } from "pg";
import { BuilderError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { storyQueue } from "../model/story-queue.ts";
import type { Steps } from "../pipeline/steps.ts";
import { engineLog } from "./engine-log.ts";
import { openEnginePool } from "./engine-pool.ts";
import { holdExecutorLock } from "./executor-lock.ts";
import { forgetStories } from "./forget.ts";
import { leave } from "./leave.ts";
import { registerStories } from "./register-stories.ts";
import { answerOf, type StepRecord } from "./step-record.ts";
import { takeOverDead } from "./takeover.ts";
import { type Cancels, createToldStories } from "./told-stories.ts";

export interface EngineOptions<PushInput, FunctionInput> {
  readonly databaseUrl: string;
  /** Name of this process among those on the database; one that is the same after a restart resumes its own stories. */
  readonly executorId: string;
  readonly limits: EngineLimits;
  /** Absent: nothing is ever cancelled. */
  readonly cancels?: Cancels;
  readonly log: Log;
  readonly signal?: AbortSignal;
  readonly stories: {
    push(input: PushInput, steps: Steps): Promise<unknown>;
    function(input: FunctionInput, steps: Steps): Promise<unknown>;
  };
  /** Whose a function is. */
  ownerOf(input: FunctionInput): string;
}

export interface EngineLimits {
  /** Pushes told at once by this process. */
  readonly pushes: number;
  /** Of these those of one owner, so that one cannot keep the others waiting. */
  readonly pushesOfOwner: number;
  /** Functions of one owner told at once by all processes; 0 = no limit, and none waits for its turn. */
  readonly functionsOfOwner: number;
  /** Functions told at once by this process, where those of an owner have a limit. */
  readonly functions: number;
}

export interface Engine {
  /**
   * Takes no new story, lets running steps and what follows them end for up to `limitMs`, then aborts the steps in
   * progress and leaves. Nobody waits for stories that only sleep, or wait for others. What has not ended goes on
   * elsewhere, or at the next start, from its last finished step.
   */
  stop(options: { limitMs: number }): Promise<void>;
  /** Where the story of an id stands: a run's id, or that and "/" and a function's name. */
  statusOf(id: string): Promise<StoryStatus | undefined>;
  /** Forgets the pushes whose stories ended before a moment, and says how many these were. */
  forget(options: { before: Date; signal?: AbortSignal }): Promise<number>;
}

export type StoryStatus =
  | { readonly state: "waiting" | "running" }
  | { readonly state: "ended"; readonly outcome: unknown }
  | { readonly state: "failed"; readonly reason: string };

const pollingMs = 200;
/** DBOS keeps a queue in its table for ever: one without a limit has one that is never met. */
const noLimit = 1_000_000;

/**
 * Starts the durable engine, DBOS Transact, in this process: it resumes the stories that it was telling when it died,
 * and takes new ones from the queue that deliveries are stored in. A process has one at a time: DBOS is a singleton.
 *
 * A push holds a place of its queue. Its functions hold none of these, or pushes that wait for their functions would
 * keep these from starting.
 *
 * @throws BuilderError `database_unreachable`; `setting_invalid` when a living process has the same executorId
 */
export async function startEngine<PushInput, FunctionInput>(
  options: EngineOptions<PushInput, FunctionInput>,
): Promise<Engine> {
  if (DBOS.isInitialized()) throw new Error("an engine is already running in this process");
  const leaving = new AbortController();
  const draining = new AbortController();
  const lock = await holdExecutorLock(options);
  const pool = openEnginePool(options);
  const told = createToldStories({ leaving: leaving.signal, cancels: options.cancels, log: options.log });
  const takingOver = new AsyncDisposableStack();
  const close = async (limitMs: number) => {
    try {
      await takingOver.disposeAsync();
      await leave({ told, draining, leaving, limitMs });
    } finally {
      told[Symbol.dispose]();
      await pool.end();
      await lock[Symbol.asyncDispose]();
    }
  };
  try {
    registerStories(options, { told, draining: draining.signal, leaving: leaving.signal, pool });
    await launch(pool, options);
    takingOver.use(takeOverDead({ ...options, pool }));
  } catch (error) {
    await close(0);
    throw error;
  }
  let stopping: Promise<void> | undefined;
  return {
    statusOf,
    forget: forgetStories,
    stop({ limitMs }) {
      stopping ??= close(limitMs);
      return stopping;
    },
  };
}

async function launch<PushInput, FunctionInput>(
  pool: Pool,
  { executorId, limits, log }: EngineOptions<PushInput, FunctionInput>,
): Promise<void> {
  DBOS.setConfig({
    name: storyQueue.application,
    systemDatabasePool: pool,
    // With a pool DBOS reads no more of it than its form, which a URL without a user name would fail.
    systemDatabaseUrl: "postgres://of-builder@pool/of-builder",
    applicationVersion: storyQueue.version,
    executorID: executorId,
    logger: engineLog(log),
  });
  const { pushes, pushesOfOwner, functions, functionsOfOwner } = limits;
  const queue = { minPollingIntervalMs: pollingMs, onConflict: "always_update" } as const;
  try {
    await DBOS.launch();
    await DBOS.registerQueue(storyQueue.queue, {
      ...queue,
      workerConcurrency: pushes,
      partitionWorkerConcurrency: Math.min(pushes, pushesOfOwner),
    });
    await DBOS.registerQueue(storyQueue.functions, {
      ...queue,
      workerConcurrency: functions,
      partitionConcurrency: functionsOfOwner || noLimit,
    });
  } catch (cause) {
    throw new BuilderError("database_unreachable", `the engine does not start: ${messageOf(cause)}`, { cause });
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
