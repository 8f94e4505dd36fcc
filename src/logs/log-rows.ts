/** Which function of which run. */
export interface LogName {
  /** Id of the run. */
  readonly push: string;
  readonly function: string;
}

/** What the logs take of the database. */
export interface LogRows {
  append(log: LogName, text: string): Promise<void>;
  stateOf(log: LogName): Promise<{ readonly bytes: number; readonly place: string | undefined } | undefined>;
  partsFrom(log: LogName, from: number): Promise<readonly { readonly at: number; readonly text: string }[]>;
  /** Logs that nothing more is written to and that the store does not have. */
  ended(options: { limit: number }): Promise<readonly LogName[]>;
  storePlace(log: LogName, place: string): Promise<void>;
  oldest(options: { before: Date; limit: number }): Promise<readonly (LogName & { place: string | undefined })[]>;
  delete(log: LogName): Promise<void>;
}
