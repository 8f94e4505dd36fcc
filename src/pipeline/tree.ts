import type { Context } from "../model/context.ts";

/** A tree on this machine's disk: where it lies, and how it is read without leaving it. */
export interface Tree {
  readonly folder: string;
  readonly context: Context;
  /** The commit that it is, where it came from git. */
  readonly commit?: string;
  /** Unix seconds of that commit. */
  readonly committedAt?: number;
}
