import type { Outcome, PushOutcome } from "../model/outcome.ts";
import type { Push } from "../model/push.ts";

/** A push that is to be built. Plain JSON: it is stored. */
export interface Current {
  /**
   * Its place in the order of its branch's pushes; absent where it is not known to be the newest: then it is built, but
   * what is built is not what the branch stands for.
   */
  readonly order?: string;
}

/** A push that a newer one has made needless. */
export interface Superseded {
  readonly supersededBy: { readonly sha: string };
}

/** Where people read what became of a push while it is worked on, and what decides whether it still counts. */
export interface Runs {
  /** Puts down that the story has begun, and finds out whether its branch has a newer push. Once more is no harm. */
  begin(push: Push, options: { signal: AbortSignal }): Promise<Current | Superseded>;
  /** Puts down which functions there are. */
  plan(push: Push, functions: readonly { readonly name: string; readonly image: string }[]): Promise<void>;
  beginFunction(push: Push, name: string): Promise<void>;
  /** Puts down how the work on one function ended. */
  endFunction(push: Push, outcome: Outcome): Promise<Newer>;
  /** Puts down how all of it ended. */
  end(push: Push, outcome: PushOutcome): Promise<Newer>;
}

/** The commit for whose sake something was cancelled, if it was. */
export interface Newer {
  readonly newerSha?: string;
}
