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

/** The heads of a repository's branches, as GitHub told them. */
export interface Branches {
  readonly heads: readonly { readonly name: string; readonly sha: string }[];
  /** With it GitHub can be asked whether any has changed; absent where only all of them would tell. */
  readonly etag?: string;
}
