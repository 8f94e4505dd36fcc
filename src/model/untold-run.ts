import type { PushOutcome } from "./outcome.ts";

/** A run of which GitHub is to be told something that its story has not told, or not yet. */
export interface UntoldRun {
  readonly state: "queued" | PushOutcome["state"];
  readonly description: string;
  /** Whether it was none that is built. */
  readonly isSkipped: boolean;
  readonly outcome: PushOutcome | undefined;
  /** Commit of the run that has superseded it. */
  readonly newerSha: string | undefined;
  /** Of one that waits: how many wait before it. */
  readonly before: number;
  /** Functions whose end GitHub has not been told. */
  readonly functions: readonly string[];
}
