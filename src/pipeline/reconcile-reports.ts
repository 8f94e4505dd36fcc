import type { PushOutcome } from "../model/outcome.ts";
import { type Report, stackContext } from "../model/report.ts";
import type { UntoldRun } from "../model/untold-run.ts";
import { functionReport, stackReport } from "./report.ts";

/**
 * The reports that make GitHub agree with what is known of a run: its place while it waits, and its end, where the story
 * that should have told it was cancelled, or its process died in between. No check stays pending for ever.
 */
export function untoldReports(run: UntoldRun): readonly Report[] {
  if (run.state === "queued") return [queuedReport(run.before)];
  const { state, description, newerSha, isSkipped } = run;
  const outcome = run.outcome ?? { state, description, functions: [] };
  const newer = newerSha === undefined ? {} : { newerSha };
  const stack = {
    ...stackReport(outcome),
    ...newer,
    ...(isSkipped && state === "ignored" && { state: "skipped" as const }),
  };
  return [...run.functions.map((name) => ({ ...functionEnd(name, outcome), ...newer })), stack];
}

function queuedReport(before: number): Report {
  const others = before === 1 ? "1 push waits" : `${before} pushes wait`;
  const description = before === 0 ? "next to be built" : `${others} before this one`;
  return { context: stackContext, state: "queued", description, place: before };
}

function functionEnd(name: string, { state, description, functions }: PushOutcome): Report {
  const outcome = functions.find((one) => one.function === name);
  if (outcome) return functionReport(outcome);
  return { context: name, state: state === "error" ? "error" : "cancelled", description };
}
