import { type BuildNotes, type Conclusion, isEnd, type Report, stackContext } from "../model/report.ts";
import type { ReportTurn } from "../model/report-turn.ts";
import { type Annotation, annotationsOf } from "./check-annotations.ts";
import { summaryOf, textOf } from "./check-summary.ts";
import { timeText } from "./check-table.ts";
import { cutLine } from "./markdown.ts";

/** What a check shows: the state of its run, and the page behind it. */
export interface CheckPage {
  readonly status: "queued" | "in_progress" | "completed";
  readonly conclusion?: "success" | "failure" | "cancelled" | "neutral" | "skipped" | "action_required";
  readonly title: string;
  readonly summary: string;
  readonly text?: string;
  readonly annotations: readonly Annotation[];
  readonly actions: readonly CheckAction[];
}

/** A button; what it asks for comes back as `check_run.requested_action` with the identifier. */
interface CheckAction {
  readonly identifier: "rerun-failed" | "rebuild-all" | "cancel" | "approve";
  readonly label: string;
  readonly description: string;
}

const maxTitle = 150;

const conclusions: Readonly<Record<Conclusion, NonNullable<CheckPage["conclusion"]>>> = {
  success: "success",
  failure: "failure",
  error: "failure",
  cancelled: "cancelled",
  neutral: "neutral",
  skipped: "skipped",
  approval: "action_required",
};

/**
 * Draws the check of a report.
 * @param webUrl address of GitHub's own pages, such as `https://github.com`
 */
export function checkPage(turn: ReportTurn, { webUrl }: { webUrl: string }): CheckPage {
  const { report, notes } = turn;
  const commitUrl = (sha: string) => `${webUrl}/${turn.owner}/${turn.repository}/commit/${sha}`;
  const ended = isEnd(report);
  const remarks = ended ? [...(report.remarks ?? []), ...(notes?.remarks ?? [])] : [];
  const text = ended ? textOf(report, notes) : "";
  return {
    ...stateOf(turn),
    title: cutLine(titleOf(turn), maxTitle),
    summary: summaryOf(turn, commitUrl),
    ...(text !== "" && { text }),
    annotations: annotationsOf(remarks),
    actions: actionsOf(report),
  };
}

function stateOf({ report, notes, functions }: ReportTurn): Pick<CheckPage, "status" | "conclusion"> {
  const { state } = report;
  if (state === "running" || (state === "queued" && (notes || functions.length > 0))) return { status: "in_progress" };
  return state === "queued" ? { status: "queued" } : { status: "completed", conclusion: conclusions[state] };
}

function titleOf({ report, notes, functions }: ReportTurn): string {
  if (report.context !== stackContext) return functionTitle(report, notes);
  return isEnd(report) ? report.description : (progressText(functions) ?? report.description);
}

function functionTitle({ state, description, outcome }: Report, notes: BuildNotes | undefined): string {
  if (state === "queued") return notes ? (notes.running[0] ?? "Building") : "Waiting for its turn";
  if (outcome?.state === "built") return `Built in ${timeText(outcome.seconds)}${outcome.cached ? ", all cached" : ""}`;
  if (outcome?.state !== "unchanged") return description;
  return outcome.sha === "" ? "Unchanged" : `Unchanged since ${outcome.sha.slice(0, 7)}`;
}

function progressText(functions: ReportTurn["functions"]): string | undefined {
  if (functions.length === 0) return undefined;
  const ended = functions.filter(({ report }) => isEnd(report)).length;
  return `${ended} of ${functions.length} function${functions.length === 1 ? "" : "s"} done`;
}

const buttons = {
  cancel: { identifier: "cancel", label: "Cancel", description: "Stop this build." },
  rerunFailed: { identifier: "rerun-failed", label: "Re-run failed", description: "Build again what failed." },
  rebuildAll: {
    identifier: "rebuild-all",
    label: "Rebuild everything",
    description: "Build what has not changed, too.",
  },
  approve: { identifier: "approve", label: "Approve", description: "Build exactly this commit." },
} as const satisfies Record<string, CheckAction>;

function actionsOf({ state, newerSha }: Report): readonly CheckAction[] {
  if (newerSha !== undefined) return [];
  switch (state) {
    case "queued":
    case "running":
      return [buttons.cancel];
    case "approval":
      return [buttons.approve];
    case "skipped":
    case "neutral":
      return [];
    case "success":
      return [buttons.rebuildAll];
    default:
      return [buttons.rerunFailed, buttons.rebuildAll];
  }
}
