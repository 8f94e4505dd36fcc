import type { Outcome } from "../model/outcome.ts";
import { cleanLine, fitText, padText, textWidth } from "../model/terminal-text.ts";
import { formatSeconds } from "./progress-numbers.ts";
import type { Paint } from "./progress-paint.ts";
import { type FunctionState, failedStep } from "./progress-state.ts";

type Failure = Extract<Outcome, { state: "failed" | "error" | "cancelled" }>;

const maxReasonLines = 40;
/** Columns for reasons where no image says how wide the table is. */
const reasonColumns = 72;
const minColumns = 20;
const secondsColumns = "2m 05s".length;
const digestAtEnd = /@(?=sha256:[0-9a-f]{64}$)/;

/** What is written on. Lines that are read and forgotten are cut to its columns; what is to be copied stays whole. */
export interface Page {
  readonly paint: Paint;
  /** Infinite where there is no terminal. */
  readonly columns: number;
}

const indent = "  ";

/** What an outcome is marked with. */
export function outcomeMark(outcome: Outcome, paint: Paint): string {
  if (outcome.state === "built") return paint.green("✔");
  if (outcome.state === "unchanged") return paint.green("=");
  return outcome.state === "skipped" ? paint.dim("–") : paint.red("✖");
}

/** An outcome in one line: the image and its digest, or why there is none. */
export function outcomeText(outcome: Outcome): string {
  if (outcome.state === "built") {
    // Not every server of the build API tells a digest.
    return cleanLine(outcome.digest === "" ? outcome.image : `${outcome.image}@${outcome.digest}`);
  }
  if (outcome.state === "unchanged") {
    const since = outcome.sha === "" ? "unchanged" : `unchanged since ${outcome.sha.slice(0, 7)}`;
    return cleanLine(`${since}: ${outcome.image}@${outcome.digest}`);
  }
  const [first = ""] = outcome.reason.split("\n");
  if (outcome.state === "skipped") return cleanLine(`skipped: ${first}`);
  const { location } = outcome;
  return cleanLine(location ? `${location.path}:${location.line}: ${first}` : first);
}

/**
 * What a person needs to correct a failure: the step, the last lines that it printed, the place, the reason with the
 * excerpt that it may hold, and what to do.
 */
export function failureLines(state: FunctionState, outcome: Failure, { paint, columns }: Page): readonly string[] {
  const { location, reason, fix, excerpt = "", seconds } = outcome;
  const step = failedStep(state);
  const reasons = reason.split("\n").slice(0, maxReasonLines).map(cleanLine);
  const place = location ? [`at ${paint.bold(cleanLine(`${location.path}:${location.line}`))}`] : [];
  const words = [
    ...(step ? [`step ${paint.bold(step.name)}`] : []),
    ...(step?.tail ?? []).map((line) => paint.dim(`│ ${line}`)),
    ...place,
    ...reasons,
    ...(excerpt === ""
      ? []
      : excerpt.split("\n").map((line) => paintMarked(paint)(fitText(cleanLine(line), columns - indent.length - 1)))),
    ...(fix === "" ? [] : [paint.yellow(`→ ${cleanLine(fix)}`)]),
  ];
  const title = `${paint.red("✖")} ${paint.bold(paint.red(state.name))} failed after ${formatSeconds(seconds)}`;
  return [title, ...words.map((line) => indent + line)];
}

/** What a build warned of, for a view that has not told it when it came. */
export function warnedLines({ name, warnings }: FunctionState, paint: Paint): readonly string[] {
  if (warnings.size === 0) return [];
  const count = warnings.size === 1 ? "1 warning" : `${warnings.size} warnings`;
  const each = [...warnings.values()].flatMap(([first = "", ...more]) => [first, ...more.map(paintMarked(paint))]);
  return [`${paint.yellow("!")} ${paint.bold(name)} ${paint.yellow(count)}`, ...each.map((line) => `  ${line}`)];
}

/** Lines of an excerpt at fault begin with " > ". */
function paintMarked(paint: Paint): (line: string) => string {
  return (line) => (line.startsWith(" > ") ? paint.red(line) : paint.dim(line));
}

/**
 * The table at the end: mark, function, image and digest (or why there is none), seconds; then the counts. Where it is too
 * wide, digests have lines of their own.
 */
export function summaryLines(
  functions: readonly FunctionState[],
  { seconds, paint, columns }: Page & { seconds: number },
): readonly string[] {
  const names = Math.max(0, ...functions.map(({ name }) => textWidth(name)));
  const images = functions.map(({ outcome }) => (outcome && "digest" in outcome ? textWidth(outcomeText(outcome)) : 0));
  const wanted = Math.max(...images) || reasonColumns;
  const room = columns - 1 - textWidth("✔ ") - names - 2 * indent.length - secondsColumns;
  const table = { names, column: Math.max(minColumns, Math.min(wanted, room)), isNarrow: wanted > room, paint };
  const rows = functions.flatMap((state) => summaryRows(state, table));
  return [...rows, `${countWords(functions)} in ${formatSeconds(seconds)}`];
}

interface Table {
  readonly names: number;
  /** The width of the texts. */
  readonly column: number;
  readonly isNarrow: boolean;
  readonly paint: Paint;
}

function summaryRows({ name, outcome }: FunctionState, { names, column, isNarrow, paint }: Table): readonly string[] {
  const whole = outcome ? outcomeText(outcome) : "not finished";
  const [text = "", digest] = isNarrow ? whole.split(digestAtEnd) : [whole];
  const mark = outcome ? outcomeMark(outcome, paint) : paint.dim("–");
  const cell = digest === undefined ? padText(text, column) : text.padEnd(column);
  const line = `${mark} ${paint.bold(padText(name, names))}${indent}${cell}`;
  const took = outcome && outcome.state !== "skipped" ? formatSeconds(outcome.seconds) : "";
  const row = took === "" ? line.trimEnd() : `${line}${indent}${paint.dim(took)}`;
  return digest === undefined ? [row] : [row, `${indent}${indent}${paint.dim(digest)}`];
}

function countWords(functions: readonly FunctionState[]): string {
  const of = (...states: (string | undefined)[]) =>
    functions.filter(({ outcome }) => states.includes(outcome?.state)).length;
  const counts = [
    `${of("built")} built`,
    [of("unchanged"), "unchanged"],
    [of("skipped"), "skipped"],
    [of("failed", "error", "cancelled"), "failed"],
    [of(undefined), "not finished"],
  ];
  return counts
    .filter((count) => count[0] !== 0)
    .map((count) => (typeof count === "string" ? count : count.join(" ")))
    .join(", ");
}
