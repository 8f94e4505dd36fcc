import { readFileSync } from "node:fs";

/** One answer of the real program. */
export interface Golden {
  readonly seed: number;
  /** What lies in the folder: "file", "folder/", "link -> target"; a folder stands before what is in it. */
  readonly nodes: readonly string[];
  readonly includes: readonly string[];
  readonly excludes: readonly string[];
  readonly follows: readonly string[];
  /** The paths that were sent, sorted; null where it refused the patterns. */
  readonly sent: readonly string[] | null;
}

/** Reads all that was recorded. */
export function readGolden(): readonly Golden[] {
  const text = readFileSync(new URL("filters.jsonl", import.meta.url), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}
