import type { Location } from "../errors.ts";
import { cleanLine, fitText } from "./terminal-text.ts";

const linesAround = 2;
/** Of a step that goes on for long its beginning is shown. */
const maxMarked = 8;
const columns = 100;

/**
 * The lines of a place with those around it, each with its number, marked where the fault is; harmless for a terminal.
 * @returns such as "   3 | FROM busybox\n > 4 | RUN exit 3"; "" where the text has no such line
 */
export function excerptOfLines(text: string, { line, endLine = line }: Pick<Location, "line" | "endLine">): string {
  const lines = text.split("\n");
  if (line > lines.length) return "";
  const last = Math.min(endLine, line + maxMarked - 1);
  const from = Math.max(1, line - linesAround);
  const to = Math.min(last + linesAround, lines.at(-1) === "" ? lines.length - 1 : lines.length);
  const width = String(to).length;
  return lines
    .slice(from - 1, to)
    .map((shown, at) => {
      const number = from + at;
      const mark = number >= line && number <= last ? ">" : " ";
      return fitText(` ${mark} ${String(number).padStart(width)} | ${cleanLine(shown)}`, columns).trimEnd();
    })
    .join("\n");
}
