import type { Outcome } from "../model/outcome.ts";
import type { BuildNotes, Report } from "../model/report.ts";
import { code, cutLine, table } from "./markdown.ts";

/** What the stack's table knows of a function. */
export interface FunctionState {
  readonly report: Report;
  readonly notes: BuildNotes | undefined;
}

const heads = [
  { head: "", align: ":-:" },
  { head: "function", align: "---" },
  { head: "result", align: "---" },
  { head: "time", align: "--:" },
  { head: "image", align: "---" },
];
const maxReason = 160;

/**
 * The table of a stack's functions: those that did not go well first, where they have ended.
 * @param options.maxBytes rows that do not fit are counted only
 * @param options.commitUrl address of a commit's page
 */
export function functionTable(
  functions: readonly Outcome[] | readonly FunctionState[],
  { maxBytes, commitUrl }: { maxBytes: number; commitUrl(sha: string): string },
): string {
  const rows = functions.map((one) => ("report" in one ? stateRow(one, commitUrl) : outcomeRow(one, commitUrl)));
  const sorted = [...rows.filter(isBad), ...rows.filter((row) => !isBad(row))];
  const shown: (readonly string[])[] = [];
  let bytes = 0;
  for (const row of sorted) {
    bytes += Buffer.byteLength(row.join(" | ")) + 6;
    if (bytes > maxBytes) break;
    shown.push(row);
  }
  const more = sorted.length - shown.length;
  return `${table(heads, shown)}${more > 0 ? `\n\n… and ${more} more` : ""}`;
}

/** An outcome in a few words, as Markdown. */
export function resultText(outcome: Outcome, commitUrl: (sha: string) => string): string {
  switch (outcome.state) {
    case "built":
      return outcome.cached === true ? "built, all from the cache" : "built";
    case "unchanged":
      return outcome.sha === ""
        ? "unchanged"
        : `unchanged since [${outcome.sha.slice(0, 7)}](${commitUrl(outcome.sha)})`;
    case "skipped":
      return `skipped: ${code(cutLine(outcome.reason, maxReason))}`;
    default:
      return `${outcome.state}: ${placeText(outcome)}${code(cutLine(outcome.reason, maxReason))}`;
  }
}

/** A time as a person reads it. */
export function timeText(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** A size as a person reads it. */
export function sizeText(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

const marks: Readonly<Record<Outcome["state"], string>> = {
  built: "✅",
  unchanged: "✅",
  skipped: "➖",
  failed: "❌",
  error: "❌",
  cancelled: "🚫",
};

function isBad([mark]: readonly string[]): boolean {
  return mark === marks.failed || mark === marks.cancelled;
}

function outcomeRow(outcome: Outcome, commitUrl: (sha: string) => string): readonly string[] {
  const time = outcome.state === "built" ? timeText(outcome.seconds) : "";
  return [marks[outcome.state], code(outcome.function), resultText(outcome, commitUrl), time, imageText(outcome)];
}

function stateRow({ report, notes }: FunctionState, commitUrl: (sha: string) => string): readonly string[] {
  const { context, state, description, outcome } = report;
  if (outcome) return outcomeRow(outcome, commitUrl);
  const step = notes?.running[0];
  if (step !== undefined) return ["🔨", code(context), `building: ${code(cutLine(step, maxReason))}`, "", ""];
  if (state === "running") return ["⏳", code(context), code(cutLine(description, maxReason)), "", ""];
  return ["⏳", code(context), notes ? "building" : "waiting for its turn", "", ""];
}

function imageText(outcome: Outcome): string {
  if (outcome.state !== "built" && outcome.state !== "unchanged") return "";
  const size = outcome.state === "built" && outcome.bytes !== undefined ? `, ${sizeText(outcome.bytes)}` : "";
  return `${code(outcome.image)}${outcome.digest === "" ? "" : `<br>${code(outcome.digest.slice(0, 19))}${size}`}`;
}

function placeText({ location }: Extract<Outcome, { fix: string }>): string {
  return location ? `${code(`${location.path}:${location.line}`)} ` : "";
}
