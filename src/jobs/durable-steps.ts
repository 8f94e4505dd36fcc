import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as wait } from "node:timers/promises";
import { DBOS, type WorkflowHandle } from "@dbos-inc/dbos-sdk";
import type { Steps } from "../pipeline/steps.ts";
import { answerOf, recordOf, type StepRecord } from "./step-record.ts";

/** What the steps of all running stories share. */
export interface StepsOptions {
  /** Aborts when the process must leave now. */
  readonly leaving: AbortSignal;
  startBranch(input: unknown, options: { id: string }): Promise<WorkflowHandle<StepRecord>>;
}

const branchPollingMs = 200;

/**
 * Creates the steps of stories that DBOS remembers. They must be called inside a story.
 *
 * DBOS knows a step by its number in the order of the calls, so each of these takes its number before it first
 * waits, and the wait for a branch takes none: branches end in any order, and a branch's own row holds its answer.
 *
 * Once `leaving` has aborted, no failure of a step reaches DBOS, which would put it down as the step's end: the step
 * never ends, the process leaves, and the next start runs it again.
 */
export function createSteps({ leaving, startBranch }: StepsOptions): Steps {
  const outsideOfStories = AsyncLocalStorage.snapshot();
  return {
    async step<T>(name: string, work: (options: { signal: AbortSignal }) => Promise<T>): Promise<T> {
      const record = DBOS.runStep(() => doWork(work, leaving), { name });
      return answerOf<T>(await unlessLeaving(record, leaving));
    },
    async sleep(ms: number): Promise<void> {
      const wakeAt = await unlessLeaving(
        DBOS.runStep(async () => Date.now() + ms, { name: "sleep" }),
        leaving,
      );
      await unlessLeaving(wait(Math.max(0, wakeAt - Date.now()), undefined, { signal: leaving }), leaving);
    },
    async branch<I, O>(_story: "function", id: string, input: I): Promise<O> {
      const handle = await unlessLeaving(startBranch(input, { id: `${DBOS.workflowID}/${id}` }), leaving);
      const record = outsideOfStories(() => handle.getResult({ pollingIntervalMs: branchPollingMs }));
      return answerOf<O>(await unlessLeaving(record, leaving));
    },
  };
}

async function doWork(
  work: (options: { signal: AbortSignal }) => Promise<unknown>,
  leaving: AbortSignal,
): Promise<StepRecord> {
  if (leaving.aborted) return never();
  const record = await recordOf(() => work({ signal: leaving }));
  return leaving.aborted && !record.ok ? never() : record;
}

async function unlessLeaving<T>(answer: Promise<T>, leaving: AbortSignal): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (leaving.aborted) return never();
    throw error;
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}
