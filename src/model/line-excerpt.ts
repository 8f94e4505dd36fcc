import type { LineRange, Location } from "../errors.ts";
import { cleanLine, fitText } from "./terminal-text.ts";

const linesAround = 2;
/** Of a step that goes on for long, or of many places, the beginning is shown. */
const maxMarked = 8;
const columns = 100;

/**
 * The lines of a place with those around it, each with its number, marked where the fault is; harmless for a terminal.
 * What lies between places that are far from each other is left out.
 * @returns such as "   3 | FROM busybox\n > 4 | RUN exit 3"; "" where the text has no such line
 */
export function excerptOfLines(
  text: string,
  { line, endLine = line, ranges = [{ line, endLine }] }: Pick<Location, "line" | "endLine" | "ranges">,
): string {
  const lines = text.split("\n");
  const count = lines.at(-1) === "" ? lines.length - 1 : lines.length;
  const marked = markedLines(ranges, lines.length);
  const shown = linesWithin([...marked], count);
  const width = String(shown.at(-1) ?? 0).length;
  return shown
    .flatMap((number, at) => {
      const mark = marked.has(number) ? ">" : " ";
      const drawn = ` ${mark} ${String(number).padStart(width)} | ${cleanLine(lines[number - 1] ?? "")}`;
      const isFar = at > 0 && number > (shown[at - 1] ?? 0) + 1;
      return [...(isFar ? ["   …"] : []), fitText(drawn, columns).trimEnd()];
    })
    .join("\n");
}

function markedLines(ranges: readonly LineRange[], count: number): ReadonlySet<number> {
  const marked = new Set<number>();
  for (const { line, endLine = line } of ranges) {
    for (let at = line; at <= Math.min(endLine, count) && marked.size < maxMarked; at += 1) marked.add(at);
  }
  return marked;
}

/** The marked lines with those around them, in order. */
function linesWithin(marked: readonly number[], count: number): readonly number[] {
  const around = marked.flatMap((line) => {
    const from = Math.max(1, line - linesAround);
    const to = Math.max(line, Math.min(line + linesAround, count));
    return Array.from({ length: to - from + 1 }, (_, at) => from + at);
  });
  return [...new Set(around)].sort((a, b) => a - b);
}
