import { DBOS } from "@dbos-inc/dbos-sdk";

const batch = 200;

/**
 * Forgets the stories of pushes that ended before a moment, with those of their functions. DBOS keeps them for ever.
 * @returns how many pushes
 */
export async function forgetStories({ before, signal }: { before: Date; signal?: AbortSignal }): Promise<number> {
  for (let forgotten = 0; ; ) {
    signal?.throwIfAborted();
    const old = await DBOS.listWorkflows({
      status: ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
      completedBefore: before.toISOString(),
      hasParent: false,
      limit: batch,
      loadInput: false,
      loadOutput: false,
    });
    if (old.length === 0) return forgotten;
    await DBOS.deleteWorkflows(
      old.map(({ workflowID }) => workflowID),
      true,
    );
    forgotten += old.length;
  }
}
