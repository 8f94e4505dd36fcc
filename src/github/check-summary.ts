import type { Outcome } from "../model/outcome.ts";
import { type BuildNotes, isEnd, isOfRepository, type Remark, type Report, stackContext } from "../model/report.ts";
import type { ReportTurn } from "../model/report-turn.ts";
import { functionTable, resultText, sizeText, timeText } from "./check-table.ts";
import { code, codeBlock, cutLine, cutMiddle, table } from "./markdown.ts";

/** GitHub takes 65 535 characters of each; counted in bytes they are never more. */
const maxBytes = 65_535;
/** What stands around the table and the log. */
const frameBytes = 4_000;
const maxReasonBytes = 8_000;
const maxRemark = 1000;
const maxRemarks = 30;
const noHead = { head: "", align: "---" };

/** The summary of a check: the whole of what a person needs, in Markdown. */
export function summaryOf({ report, notes, functions }: ReportTurn, commitUrl: (sha: string) => string): string {
  if (report.context !== stackContext) return cutMiddle(functionSummary(report, notes, commitUrl), maxBytes);
  const { functions: outcomes = [], newerSha } = report;
  const details = joined([
    newerText(newerSha, commitUrl),
    tableOf(outcomes.length > 0 ? outcomes : functions, commitUrl),
    remarkList((report.remarks ?? []).slice(0, maxRemarks)),
  ]);
  // What has ended is told by the title: a second time only where there is nothing else to say.
  const head = isEnd(report) && details !== "" ? "" : sentence(report);
  return cutMiddle(joined([head, details]), maxBytes);
}

function joined(parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join("\n\n");
}

function tableOf(functions: readonly Outcome[] | ReportTurn["functions"], commitUrl: (sha: string) => string): string {
  return functions.length === 0 ? "" : functionTable(functions, { maxBytes: maxBytes - frameBytes, commitUrl });
}

function functionSummary(
  { outcome, state, description, newerSha }: Report,
  notes: BuildNotes | undefined,
  commitUrl: (sha: string) => string,
): string {
  if (!outcome) {
    const steps = state === "queued" && notes ? notes.running.map((step) => `- ${code(cutLine(step, 500))}`) : [];
    return joined([code(cutLine(description, 500)), steps.join("\n"), newerText(newerSha, commitUrl)]);
  }
  if ("fix" in outcome) return failureSummary(outcome, newerText(newerSha, commitUrl));
  const rows = outcomeRows(outcome, commitUrl, notes);
  return table([noHead, noHead], rows);
}

function outcomeRows(
  outcome: Exclude<Outcome, { fix: string }>,
  commitUrl: (sha: string) => string,
  notes: BuildNotes | undefined,
): readonly (readonly [string, string])[] {
  const result = ["result", resultText(outcome, commitUrl)] as const;
  if (outcome.state === "skipped") return [result];
  const image = [
    ["image", code(outcome.image)],
    ["digest", code(outcome.digest)],
  ] as const;
  if (outcome.state === "unchanged") return [result, ...image].filter(([, value]) => value !== "");
  const { known, cached } = notes?.steps ?? { known: 0, cached: 0 };
  const rows = [
    result,
    ...image,
    ["size", outcome.bytes === undefined ? "" : sizeText(outcome.bytes)],
    ["time", timeText(outcome.seconds)],
    ["steps", known === 0 ? "" : `${known}${cached === 0 ? "" : `, ${cached} of them from the cache`}`],
  ] as const;
  return rows.filter(([, value]) => value !== "");
}

function failureSummary(
  { reason, fix, location, excerpt, state }: Extract<Outcome, { fix: string }>,
  newer: string,
): string {
  const place = location ? `At ${code(`${location.path}:${location.line}`)}:` : "";
  const parts = [
    place,
    codeBlock(cutMiddle(excerpt === undefined ? reason : `${reason}\n\n${excerpt}`, maxReasonBytes)),
    state === "cancelled" ? "" : `**What to do:** ${fix}`,
    newer,
  ];
  return joined(parts);
}

function newerText(sha: string | undefined, commitUrl: (sha: string) => string): string {
  return sha === undefined ? "" : `A newer push is built instead: [${sha.slice(0, 7)}](${commitUrl(sha)}).`;
}

function remarkList(remarks: readonly Remark[]): string {
  const lines = remarks.map(
    ({ level, message, location }) =>
      `- ${level} at ${code(`${location.path}:${location.line}`)}: ${code(cutLine(message, maxRemark))}`,
  );
  return lines.join("\n");
}

/** What our own words are; strangers' stand in code. */
function sentence({ state, description }: Report): string {
  const words = code(cutMiddle(description, maxReasonBytes));
  if (state === "skipped" || state === "neutral") return `Nothing was built: ${words}`;
  return words;
}

/** The text below the summary, in Markdown: remarks that GitHub has no line for, and the log. "" where there is neither. */
export function textOf({ remarks = [] }: Report, notes: BuildNotes | undefined): string {
  const elsewhere = [...remarks, ...(notes?.remarks ?? [])].filter(({ location }) => !isOfRepository(location.path));
  const head = elsewhere.length === 0 ? "" : `### Outside of this repository\n\n${remarkList(elsewhere)}\n\n`;
  const log = notes?.log ?? "";
  if (log === "") return head;
  // The fence may be longer than usual where the log has such fences itself.
  return `${head}### Log\n\n${codeBlock(cutMiddle(log, maxBytes - Buffer.byteLength(head) - frameBytes))}`;
}
