/** One accepted push to a branch: all that the story needs to know of GitHub's event. Plain JSON: it is stored. */
export interface Push {
  /** GUID of the delivery that brought it (`X-GitHub-Delivery`). */
  readonly delivery: string;
  /** Login of the owner as GitHub spells it. */
  readonly owner: string;
  readonly repository: string;
  /** Ids are decimal strings: they may pass 2^53. */
  readonly repositoryId: string;
  readonly installationId: string | undefined;
  readonly private: boolean;
  readonly branch: string;
  /** The pushed commit, 40 (or 64) lower-case hex digits. */
  readonly sha: string;
  /** Unix seconds of the head commit, 0 where unknown. */
  readonly committedAt: number;
  /** What the event names as the address to clone. Hostile until git/ has checked it. */
  readonly cloneUrl: string;
}
