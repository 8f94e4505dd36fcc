import type { Branches, BranchHead } from "../model/branch-head.ts";
import type { Place } from "../model/place.ts";

/** A repository that the App may reach. */
export interface WatchedRepository extends Place {
  readonly private: boolean;
  /** Whether its branches were looked at before: whoever installs the App wants nothing built of what was there. */
  readonly isKnown: boolean;
  readonly etag: string | undefined;
}

export interface RepositoryPollHands {
  repositories(): Promise<readonly WatchedRepository[]>;
  readBranches(repository: WatchedRepository, options: { signal: AbortSignal }): Promise<Branches | "same" | undefined>;
  /** Of some branches those whose head nobody has told of, and that no run was built of: others are polled by themselves. */
  untold(repository: WatchedRepository, heads: Branches["heads"]): Promise<readonly string[]>;
  /** Those of some branches that the settings have built. */
  wanted(
    repository: WatchedRepository,
    names: readonly string[],
    options: { signal: AbortSignal },
  ): Promise<readonly string[]>;
  readHead(
    repository: WatchedRepository,
    branch: string,
    options: { signal: AbortSignal },
  ): Promise<BranchHead | "same" | undefined>;
  /** Stores the push that nobody told us of, once. */
  ingest(repository: WatchedRepository, branch: string, head: BranchHead): Promise<void>;
  storeBranches(repository: WatchedRepository, branches: Branches): Promise<void>;
  /** A repository may be gone, or refuse: the others are still asked for. */
  onFault(repository: WatchedRepository, error: unknown): void;
}

/** So many pushes are found of a repository at one look: where there are more, somebody has copied its branches. */
const maxNew = 20;

/**
 * Asks GitHub for the branches of the repositories that the App may reach: the first push of one, or of a branch, may be
 * the one that GitHub never tried to deliver.
 * @returns how many pushes were found
 */
export async function pollRepositories(
  hands: RepositoryPollHands,
  { signal }: { signal: AbortSignal },
): Promise<number> {
  let found = 0;
  for (const repository of await hands.repositories()) {
    signal.throwIfAborted();
    try {
      found += await pollRepository(repository, hands, signal);
    } catch (error) {
      signal.throwIfAborted();
      hands.onFault(repository, error);
    }
  }
  return found;
}

async function pollRepository(
  repository: WatchedRepository,
  hands: RepositoryPollHands,
  signal: AbortSignal,
): Promise<number> {
  const branches = await hands.readBranches(repository, { signal });
  if (branches === undefined) return 0;
  if (branches === "same") {
    await hands.storeBranches(repository, { heads: [], ...(repository.etag && { etag: repository.etag }) });
    return 0;
  }
  const untold = repository.isKnown ? await hands.untold(repository, branches.heads) : [];
  const wanted = untold.length === 0 ? [] : await hands.wanted(repository, untold, { signal });
  let found = 0;
  for (const branch of wanted.slice(0, maxNew)) {
    const head = await hands.readHead(repository, branch, { signal });
    if (head === undefined || head === "same") continue;
    await hands.ingest(repository, branch, head);
    found += 1;
  }
  await hands.storeBranches(repository, branches);
  return found;
}
