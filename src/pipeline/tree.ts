import type { Context } from "../model/context.ts";

/** A tree on this machine's disk: where it lies, and how it is read without leaving it. */
export interface Tree {
  readonly folder: string;
  readonly context: Context;
  /** Name of this folder and no other one, on any machine; absent where no later build is made of the same files. */
  readonly identity?: string;
  /** The commit that it is, where it came from git. */
  readonly commit?: string;
  /** Unix seconds of that commit. */
  readonly committedAt?: number;
  /** What its author says of it. */
  readonly message?: string;
}
