import { DBOS } from "@dbos-inc/dbos-sdk";
import { wfQueueRunner } from "@dbos-inc/dbos-sdk/internal/wfqueue";
import { BuilderError } from "../errors.ts";
import type { ToldStories } from "./told-stories.ts";

/** How long aborted steps get to clean up behind themselves, and ended stories to be put down. */
const settleMs = 2_000;
/** The same, where stories only wait: DBOS would wait for these until its time is over. */
const shortSettleMs = 200;

/**
 * Takes no new story, waits for what is being done for up to `limitMs`, then aborts it and shuts DBOS down.
 *
 * DBOS by itself would wait for every story that it has begun, those that sleep for hours too. So it is only told to
 * shut down when nothing is left to wait for; its queues are stopped before, by the door that it has for that.
 * `deregister` lets a later engine of this process tell other stories.
 */
export async function leave({
  told,
  draining,
  leaving,
  limitMs,
}: {
  told: ToldStories;
  draining: AbortController;
  leaving: AbortController;
  limitMs: number;
}): Promise<void> {
  wfQueueRunner.stop();
  draining.abort();
  const isQuiet = await within(told.quiet(), limitMs);
  leaving.abort(new BuilderError("stopping", "of-builder is stopping"));
  if (!isQuiet) await within(told.settled(), settleMs);
  await DBOS.shutdown({ workflowCompletionTimeoutMS: told.count > 0 ? shortSettleMs : settleMs, deregister: true });
}

/** @returns whether it ended within the limit */
async function within(work: Promise<void>, limitMs: number): Promise<boolean> {
  const limit = Promise.withResolvers<false>();
  const timer = setTimeout(() => limit.resolve(false), limitMs);
  try {
    return await Promise.race([work.then(() => true), limit.promise]);
  } finally {
    clearTimeout(timer);
  }
}
