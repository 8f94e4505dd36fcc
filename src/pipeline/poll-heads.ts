import type { BranchHead } from "../model/branch-head.ts";
import type { Push } from "../model/push.ts";

/** A branch that was built here, as its newest run knows it. */
export interface BuiltBranch {
  /** Of the newest run; its names may have changed since. */
  readonly push: Push & { readonly installationId: string };
  /** What GitHub last said of the head. */
  readonly etag: string | undefined;
}

export interface PollHands {
  branches(): Promise<readonly BuiltBranch[]>;
  readHead(branch: BuiltBranch, options: { signal: AbortSignal }): Promise<BranchHead | "same" | undefined>;
  /** Stores the push that nobody told us of, once. */
  ingest(built: BuiltBranch, head: BranchHead): Promise<void>;
  storeHead(built: BuiltBranch, head: BranchHead): Promise<void>;
  /** A repository may be gone, or refuse: the others are still asked for. */
  onFault(built: BuiltBranch, error: unknown): void;
}

/**
 * Asks GitHub for the heads of the branches that were built: a push that GitHub never tried to deliver is in none of its
 * notes. What has not changed costs nothing of the quota.
 * @returns how many pushes were found
 */
export async function pollHeads(hands: PollHands, { signal }: { signal: AbortSignal }): Promise<number> {
  let found = 0;
  for (const built of await hands.branches()) {
    signal.throwIfAborted();
    try {
      if (await pollBranch(built, hands, signal)) found += 1;
    } catch (error) {
      signal.throwIfAborted();
      hands.onFault(built, error);
    }
  }
  return found;
}

async function pollBranch(built: BuiltBranch, hands: PollHands, signal: AbortSignal): Promise<boolean> {
  const head = await hands.readHead(built, { signal });
  if (head === undefined || head === "same") return false;
  const isNew = head.sha !== built.push.sha;
  if (isNew) await hands.ingest(built, head);
  await hands.storeHead(built, head);
  return isNew;
}
