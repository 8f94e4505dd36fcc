import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as wait } from "node:timers/promises";
import { DBOS, Error as DbosErrors, type WorkflowHandle } from "@dbos-inc/dbos-sdk";
import { type Steps, StoryMoved } from "../pipeline/steps.ts";
import { answerOf, recordOf, type StepRecord } from "./step-record.ts";
import type { Told, ToldStories } from "./told-stories.ts";

/** What the steps of all running stories share. */
export interface StepsOptions {
  readonly told: Pick<ToldStories, "of">;
  /** Aborts when stories that only wait are not to go on in this process any more. */
  readonly draining: AbortSignal;
  /** Aborts when the process must leave now. */
  readonly leaving: AbortSignal;
  startBranch(input: unknown, options: { id: string }): Promise<WorkflowHandle<StepRecord>>;
  /** Lets a branch that waits for its turn begin, so that it can end. */
  freeBranch(id: string): Promise<void>;
}

const branchPollingMs = 200;

/**
 * Creates the steps of stories that DBOS remembers. They must be called inside a story.
 *
 * DBOS knows a step by its number in the order of the calls, so each of these takes its number before it first
 * waits, and the wait for a branch takes none: branches end in any order, and a branch's own row holds its answer.
 *
 * A run that is cancelled ends as every story does, by answers that are remembered: the step in progress is aborted
 * and its answer is the cancel, that of each further step too, and that of a sleep. Only what is `lasting` goes on.
 *
 * Once `leaving` has aborted, no failure of a step reaches DBOS, which would put it down as the step's end: the step
 * never ends, the process leaves, and the next start runs it again.
 */
export function createSteps(options: StepsOptions): Steps {
  const lasting: Steps = {
    ...stepsWith(options, () => options.leaving),
    get lasting() {
      return lasting;
    },
  };
  return { ...stepsWith(options, ({ signal }) => signal), lasting };
}

function stepsWith(
  { told, draining, leaving, startBranch, freeBranch }: StepsOptions,
  signalOf: (story: Told) => AbortSignal,
): Omit<Steps, "lasting"> {
  const outsideOfStories = AsyncLocalStorage.snapshot();
  const remember = (name: string, work: (options: { signal: AbortSignal }) => Promise<unknown>) => {
    const story = told.of(DBOS.workflowID);
    const signal = signalOf(story);
    const record = () =>
      DBOS.runStep(() => doWork(() => story.work(() => work({ signal })), { signal, leaving }), { name });
    return story.busy(() => unlessLeaving(record(), leaving));
  };
  return {
    async step<T>(name: string, work: (options: { signal: AbortSignal }) => Promise<T>): Promise<T> {
      return answerOf<T>(await remember(name, work));
    },
    async sleep(ms: number): Promise<void> {
      const story = told.of(DBOS.workflowID);
      const wakeAt = answerOf<number>(await remember("sleep", async () => Date.now() + ms));
      await story.idle(waitUntil(wakeAt, { signal: signalOf(story), draining }));
      answerOf(await remember("wake", async () => {}));
    },
    async branch<I, O>(_story: "function", id: string, input: I): Promise<O> {
      const story = told.of(DBOS.workflowID);
      const branch = `${DBOS.workflowID}/${id}`;
      const handle = await story.busy(() => unlessLeaving(startBranch(input, { id: branch }), leaving));
      const free = () => !leaving.aborted && outsideOfStories(() => freeBranch(branch));
      if (story.signal.aborted) free();
      story.signal.addEventListener("abort", free);
      try {
        const record = outsideOfStories(() => handle.getResult({ pollingIntervalMs: branchPollingMs }));
        return answerOf<O>(await story.idle(unlessLeaving(record, leaving), branch));
      } finally {
        story.signal.removeEventListener("abort", free);
      }
    },
  };
}

async function doWork(
  work: () => Promise<unknown>,
  { signal, leaving }: { signal: AbortSignal; leaving: AbortSignal },
): Promise<StepRecord> {
  if (leaving.aborted) return never();
  const record = await recordOf(async () => {
    signal.throwIfAborted();
    return work();
  });
  if (record.ok) return record;
  if (leaving.aborted) return never();
  return signal.aborted ? recordOf(() => Promise.reject(signal.reason)) : record;
}

/** Waits until a moment, or for the cancel; for ever once the process drains: the story goes on elsewhere, or later. */
async function waitUntil(
  moment: number,
  { signal, draining }: { signal: AbortSignal; draining: AbortSignal },
): Promise<void> {
  const over = new AbortController();
  const end = () => over.abort();
  signal.addEventListener("abort", end);
  draining.addEventListener("abort", end);
  try {
    if (!signal.aborted && !draining.aborted) {
      await wait(Math.max(0, moment - Date.now()), undefined, { signal: over.signal });
    }
  } catch {
    // What ended the wait is asked below.
  } finally {
    signal.removeEventListener("abort", end);
    draining.removeEventListener("abort", end);
  }
  if (draining.aborted) return never();
}

/** @throws StoryMoved when DBOS has let another process take the story over, as after a break of the database */
async function unlessLeaving<T>(answer: Promise<T>, leaving: AbortSignal): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (leaving.aborted) return never();
    if (error instanceof DbosErrors.DBOSWorkflowConflictError) throw new StoryMoved(error.message, { cause: error });
    throw error;
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}
