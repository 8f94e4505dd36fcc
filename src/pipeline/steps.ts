/** How a story takes its steps: remembered in the service (DBOS), plainly run in the CLI. */
export interface Steps {
  /**
   * Runs `work` and remembers its answer (small plain JSON) under `name`: after a restart the remembered answer is
   * given and the work is not done again. `work` may run twice when the process dies in between.
   */
  step<T>(name: string, work: (options: { signal: AbortSignal }) => Promise<T>): Promise<T>;
  /** Waits; a restart waits only for the rest. */
  sleep(ms: number): Promise<void>;
  /** Tells another story, remembered for itself, and waits for its end. Start several at once, in a fixed order. */
  branch<I, O>(story: "function", id: string, input: I): Promise<O>;
}
