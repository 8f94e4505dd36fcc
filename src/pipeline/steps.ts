/** How a story takes its steps: remembered in the service (DBOS), plainly run in the CLI. */
export interface Steps {
  /**
   * Runs `work` and remembers its answer (small plain JSON) under `name`: after a restart the remembered answer is
   * given and the work is not done again. `work` may run twice when the process dies in between. The signal aborts when
   * the run is cancelled; from then on every step fails with BuilderError `build_cancelled`.
   */
  step<T>(name: string, work: (options: { signal: AbortSignal }) => Promise<T>): Promise<T>;
  /** Waits; a restart waits only for the rest. */
  sleep(ms: number): Promise<void>;
  /** Tells another story, remembered for itself, and waits for its end. Start several at once, in a fixed order. */
  branch<I, O>(story: "function", id: string, input: I): Promise<O>;
  /** The same steps for what has to be told although the run was cancelled. */
  readonly lasting: Steps;
}

/**
 * Another process tells this story now: nothing that it says here counts any more, so it ends without a word, and whoever
 * catches errors lets this one pass. `cause` is what the engine said.
 */
export class StoryMoved extends Error {
  override readonly name = "StoryMoved";
}
