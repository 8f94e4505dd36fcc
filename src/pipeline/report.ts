import type { Outcome } from "../model/outcome.ts";
import type { Push } from "../model/push.ts";
import { type Backoff, retrying } from "./retry.ts";
import type { Steps } from "./steps.ts";

/** What GitHub shows beside a commit. A function's context is its name, the stack's is `stackContext`. */
export interface Status {
  readonly context: string;
  readonly state: "pending" | "success" | "failure" | "error";
  readonly description: string;
}

export interface Reporter {
  setStatus(push: Push, status: Status, options: { signal: AbortSignal }): Promise<void>;
}

/** OpenFaaS Cloud's name for the status of the whole stack. */
export const stackContext = "stack-deploy";

/** GitHub may be down for hours; a person who waits for a final state shall get it. */
const finalBackoff: Backoff = [1, 2, 5, 10, 30, 60, 120, 300, ...Array<number>(30).fill(600)].map(
  (seconds) => seconds * 1000,
);
const pendingBackoff: Backoff = [1000, 5000];

/** Shows one status as a step of the story. A status that GitHub refuses for good does not stop the work. */
export async function report(push: Push, status: Status, { steps, reporter, onRefused }: Reporting): Promise<void> {
  const final = status.state !== "pending";
  const step = {
    name: `status ${status.context} ${status.state}: ${status.description}`,
    backoff: final ? finalBackoff : pendingBackoff,
  };
  try {
    await retrying(steps, step, ({ signal }) => reporter.setStatus(push, status, { signal }));
  } catch (error) {
    onRefused(error, status);
  }
}

export interface Reporting {
  readonly steps: Steps;
  readonly reporter: Reporter;
  onRefused(error: unknown, status: Status): void;
}

/** The status that an outcome of one function is shown as. */
export function statusOf(outcome: Outcome): Status {
  const context = outcome.function;
  if (outcome.state === "built")
    return { context, state: "success", description: `image ${outcome.image} is in the registry` };
  if (outcome.state === "unchanged")
    return { context, state: "success", description: `${unchangedText(outcome)}: image ${outcome.image}` };
  if (outcome.state === "skipped") return { context, state: "success", description: outcome.reason };
  const state = outcome.state === "failed" ? "failure" : "error";
  const place = outcome.location ? `${outcome.location.path}:${outcome.location.line} ` : "";
  const cancelled = outcome.state === "cancelled" ? "cancelled: " : "";
  return { context, state, description: `${cancelled}${place}${outcome.reason}` };
}

/** Names the commit that built what has not changed since. */
function unchangedText({ sha }: { sha: string }): string {
  return sha === "" ? "unchanged" : `unchanged since ${sha.slice(0, 7)}`;
}
