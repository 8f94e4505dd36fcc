import type { LineRange, Location } from "../errors.ts";

/** Whoever writes the build's frontend may tell as many as they like. */
const maxRead = 1000;
const maxKept = 20;
const maxPath = 300;

/** A range as BuildKit tells it; what it leaves out is undefined or 0. */
export interface ToldRange {
  readonly start: number | undefined;
  readonly end: number | undefined;
}

/**
 * Makes the place of what BuildKit says of a source: in the order of the file, ranges that touch each other as one, as a
 * step of several lines comes as a range per line.
 * @returns undefined where there is no path, or no range with a line
 */
export function placeOf(path: string, told: readonly ToldRange[]): Location | undefined {
  const ranges = joinTouching(told.slice(0, maxRead).flatMap(readRange)).slice(0, maxKept);
  const [first] = ranges;
  if (first === undefined || path === "") return undefined;
  return { path: path.slice(0, maxPath), ...first, ...(ranges.length > 1 && { ranges }) };
}

function readRange({ start = 0, end = 0 }: ToldRange): LineRange[] {
  if (!isLine(start)) return [];
  return [isLine(end) && end > start ? { line: start, endLine: end } : { line: start }];
}

/** Lines are of 32 bits where BuildKit itself tells them, and any number where a frontend does. */
function isLine(told: number): boolean {
  return Number.isInteger(told) && told > 0 && told < 2 ** 31;
}

function joinTouching(ranges: readonly LineRange[]): readonly LineRange[] {
  const joined: LineRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.line - b.line)) {
    const last = joined.at(-1);
    const lastLine = last?.endLine ?? last?.line ?? 0;
    const endLine = Math.max(lastLine, range.endLine ?? range.line);
    if (last === undefined || range.line > lastLine + 1) joined.push(range);
    else if (endLine > last.line) joined[joined.length - 1] = { line: last.line, endLine };
  }
  return joined;
}
