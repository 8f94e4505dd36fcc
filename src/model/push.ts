/**
 * What was pushed: commits to a branch, a tag, or those that a pull request asks to be taken. `rebuild`: any of them,
 * built again because a person asked for it.
 */
export type PushKind = "push" | "tag" | "pull_request" | "rebuild";

/** One accepted push: all that the story needs to know of GitHub's event. Plain JSON: it is stored. */
export interface Push {
  /** Id of the run: GUID of the delivery that brought it (`X-GitHub-Delivery`), or a UUID of ours. */
  readonly delivery: string;
  readonly kind: PushKind;
  /** Login of the owner as GitHub spells it. */
  readonly owner: string;
  readonly repository: string;
  /** Ids are decimal strings: they may pass 2^53. */
  readonly repositoryId: string;
  readonly installationId: string | undefined;
  readonly private: boolean;
  /** The full name of what was pushed to: `refs/heads/…`, `refs/tags/…`, `refs/pull/NUMBER/head`. */
  readonly ref: string;
  /** Name of the branch or the tag; `pr-NUMBER` of a pull request. */
  readonly branch: string;
  /** Where the branch is for, by the setting `build_branch`; "" = nothing is said. */
  readonly environment: string;
  /** The pushed commit, 40 (or 64) lower-case hex digits. */
  readonly sha: string;
  /** What the ref was before, where the event says so; absent where it is new. */
  readonly before?: string;
  /** Whether commits were taken away from the ref. */
  readonly forced: boolean;
  /** Unix seconds of the push as GitHub tells them, 0 where unknown. */
  readonly pushedAt: number;
  /** GitHub was asked for the branch's head: no event told of the push, or none yet. */
  readonly found?: true;
  /** Unix seconds of the head commit, 0 where unknown. */
  readonly committedAt: number;
  /** What the event names as the address to clone. Hostile until git/ has checked it. */
  readonly cloneUrl: string;
  /** Present for what a pull request brought: it is built for its answer alone, never deployed. */
  readonly pullRequest?: PullRequest;
}

export interface PullRequest {
  readonly number: number;
  /** Whether the commits come from another repository: anybody may have written them. */
  readonly fork: boolean;
  /** The branch that they shall be taken to. */
  readonly base: string;
}

/** What the images of a push follow one another on: a branch, or what no branch can be called. */
export function lineOf({ ref, branch }: Pick<Push, "ref" | "branch">): string {
  return ref.startsWith("refs/heads/") ? branch : ref.replace("refs/", "refs:");
}

/**
 * Whose folders `RUN --mount=type=cache` sees in a push's builds: those of its owner. Whoever wrote a fork's commits may
 * neither read there nor leave anything. What it is called holds no "/", nor does an owner's login hold a blank.
 */
export function cacheNamespaceOf({ owner, repository, pullRequest }: Push): string {
  const own = owner.toLowerCase();
  return pullRequest?.fork ? `fork ${own} ${repository.toLowerCase()} ${pullRequest.number}` : own;
}
