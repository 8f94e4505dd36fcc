import { BuilderError } from "../errors.ts";

/** What a doctor found out about one thing. `doubtful` works, but not as it should. */
export interface Finding {
  readonly what: string;
  readonly state: "good" | "doubtful" | "wrong";
  readonly lines: readonly string[];
  /** What to do, a line for each thing; "" where nothing has to be done. */
  readonly fix: string;
}

/**
 * Makes a known fault a finding.
 * @throws what is none, or that the caller has had enough
 */
export function wrongFinding(what: string, error: unknown): Finding {
  if (!(error instanceof BuilderError) || error.code === "build_cancelled") throw error;
  return { what, state: "wrong", lines: [error.message], fix: error.fix };
}
