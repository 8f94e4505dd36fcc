/** The head of a branch, as GitHub told it. */
export interface BranchHead {
  readonly sha: string;
  /** With it GitHub can be asked whether anything has changed. */
  readonly etag: string;
  /** Of the commit. */
  readonly message: string;
  /** Unix seconds. */
  readonly committedAt: number;
  /** Unix seconds by GitHub's clock: when it was the head. */
  readonly seenAt: number;
}
