import type { BuilderError } from "../errors.ts";
import type { Outcome, PushOutcome } from "../model/outcome.ts";
import type { Push } from "../model/push.ts";
import { type BuildNotes, isEnd, type Remark, type Report, remarksOf, stackContext } from "../model/report.ts";
import { type Backoff, retrying } from "./retry.ts";
import { type Steps, StoryMoved } from "./steps.ts";

/**
 * What stories tell GitHub through. They say what shall be shown, and go on; showing it, in its time and however often
 * that fails, is somebody else's work.
 */
export interface Reporter {
  /**
   * Keeps what GitHub shall show of a context from now on; it is durable when this returns. Of one that is `quiet`
   * nothing is shown but what the stack's report says of it.
   * @throws BuilderError `database_unreachable`
   */
  tell(push: Push, report: Report, options: { signal: AbortSignal; quiet: boolean }): Promise<void>;
  /** Hears how a build goes on, as often as it likes. */
  hear(push: Push, context: string, notes: BuildNotes): void;
  /** Keeps the last that a build told; it is durable when this returns. */
  keep(push: Push, context: string, notes: BuildNotes): Promise<void>;
}

/** A stack of more functions than these shows one report, and one for each function that fails. */
export const maxShownFunctions = 20;

/** Whether a function is shown by itself where only those are that failed. */
export function isFailure({ state }: Pick<Report, "state">): boolean {
  return state === "failure" || state === "error";
}

/** The database may be away for hours; a person who waits for a final state shall get it. */
const finalBackoff: Backoff = [1, 2, 5, 10, 30, 60, 120, 300, ...Array<number>(30).fill(600)].map(
  (seconds) => seconds * 1000,
);
const runningBackoff: Backoff = [1000, 5000];

export interface Reporting {
  readonly push: Push;
  readonly steps: Steps;
  readonly reporter: Reporter;
  /** Absent: false. */
  readonly quiet?: boolean;
  onRefused(error: unknown): void;
}

/** Tells a report as a step of the story. One that cannot be kept does not stop the work. */
export async function tell(
  report: Report,
  { push, steps, reporter, quiet = false, onRefused }: Reporting,
): Promise<void> {
  const step = {
    name: `report ${report.context} ${report.state}: ${report.description}`,
    backoff: isEnd(report) ? finalBackoff : runningBackoff,
  };
  try {
    await retrying(steps, step, ({ signal }) => reporter.tell(push, report, { signal, quiet }));
  } catch (error) {
    if (error instanceof StoryMoved) throw error;
    onRefused(error);
  }
}

/**
 * What `retrying` is given to tell why nothing happens.
 * @param onRetry hears of each wait, too
 */
export function tellWaits(
  context: string,
  reporting: Reporting,
  onRetry: (error: BuilderError, waitMs: number) => void,
): (error: BuilderError, waitMs: number, attempt: number) => Promise<void> {
  return (error, waitMs, attempt) => {
    onRetry(error, waitMs);
    // A status is cut at its end: what may be cut comes last.
    const description = `attempt ${attempt + 1} in ${Math.ceil(waitMs / 1000)} s: ${error.message}`;
    return tell({ context, state: "running", description }, reporting);
  };
}

/** The report that an outcome of one function is shown as. */
export function functionReport(outcome: Outcome): Report {
  const context = outcome.function;
  if (outcome.state === "built")
    return { context, state: "success", description: `image ${outcome.image} is in the registry`, outcome };
  if (outcome.state === "unchanged")
    return { context, state: "success", description: `${unchangedText(outcome)}: image ${outcome.image}`, outcome };
  if (outcome.state === "skipped") return { context, state: "skipped", description: outcome.reason, outcome };
  const place = outcome.location ? `${outcome.location.path}:${outcome.location.line} ` : "";
  return {
    context,
    state: outcome.state === "failed" ? "failure" : outcome.state,
    description: `${place}${outcome.reason}`,
    outcome,
    remarks: failureRemarks(outcome),
  };
}

/** The report that the end of a push is shown as. */
export function stackReport({ state, description, functions, faults = [] }: PushOutcome): Report {
  return {
    context: stackContext,
    state: state === "ignored" ? "neutral" : state,
    description,
    functions,
    remarks: remarksOf(faults, "failure"),
  };
}

/** Names the commit that built what has not changed since. */
function unchangedText({ sha }: { sha: string }): string {
  return sha === "" ? "unchanged" : `unchanged since ${sha.slice(0, 7)}`;
}

function failureRemarks(outcome: Extract<Outcome, { fix: string }>): readonly Remark[] {
  const { location, reason, fix } = outcome;
  if (!location) return [];
  return [{ level: "failure", title: `${outcome.function} was not built`, message: `${reason}\n${fix}`, location }];
}
