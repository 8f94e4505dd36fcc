import { BuilderError, type Fault, type Location, messageOf } from "../errors.ts";
import type { BuildEvent } from "../model/build-event.ts";
import type { Outcome, PushOutcome } from "../model/outcome.ts";
import type { Push } from "../model/push.ts";
import { type BuildHands, buildFunction } from "./build-function.ts";
import { templateSource } from "./find-template.ts";
import type { MemoryHands } from "./find-unchanged.ts";
import type { PlannedFunction } from "./plan.ts";
import { type Reporter, type Reporting, report, statusOf } from "./report.ts";
import { type Backoff, retrying } from "./retry.ts";
import type { Steps } from "./steps.ts";
import type { Trees } from "./trees.ts";

/** What the story of one function starts from. Plain JSON: it is stored. */
export interface FunctionWork {
  readonly push: Push;
  readonly planned: PlannedFunction;
  /** Hash of what it is made of, where that is known. */
  readonly inputs?: string;
}

export interface FunctionHands extends BuildHands {
  /** Absent: everything is built each time. */
  readonly memory?: MemoryHands;
  readonly trees: Trees;
  readonly reporter: Reporter;
  readonly backoff: Backoff;
  readonly log: StoryLog;
}

/** What the stories tell besides their outcomes. */
export interface StoryLog {
  event(work: FunctionWork, event: BuildEvent): void;
  retry(push: Push, error: BuilderError, waitMs: number): void;
  refused(push: Push, error: unknown): void;
  bug(push: Push, error: unknown): void;
  ended(push: Push, outcome: PushOutcome): void;
  /** Something in the stack that is most likely a mistake. */
  warned(push: Push, warning: Fault): void;
}

/** The story of one function of a push: pending, built (again after a while where that may help), its end told. */
export async function runFunction(work: FunctionWork, steps: Steps, hands: FunctionHands): Promise<Outcome> {
  const { push, planned } = work;
  const reporting: Reporting = {
    steps,
    reporter: hands.reporter,
    onRefused: (error) => hands.log.refused(push, error),
  };
  const pending = (description: string) =>
    report(push, { context: planned.name, state: "pending", description }, reporting);

  await pending(`${planned.name} function build started, image: ${planned.image}`);
  const outcome = await buildOutcome(work, { steps, hands, pending });
  await report(push, statusOf(outcome), reporting);
  return outcome;
}

/** What a person is told while nothing happens; the part that may be cut comes last. */
export function waitText(error: BuilderError, { waitMs, attempt }: { waitMs: number; attempt: number }): string {
  return `attempt ${attempt + 1} in ${Math.ceil(waitMs / 1000)} s: ${error.message}`;
}

interface Telling {
  readonly steps: Steps;
  readonly hands: FunctionHands;
  pending(description: string): Promise<void>;
}

async function buildOutcome(work: FunctionWork, { steps, hands, pending }: Telling): Promise<Outcome> {
  const { push, planned } = work;
  const onWait = async (error: BuilderError, waitMs: number, attempt: number) => {
    hands.log.retry(push, error, waitMs);
    await pending(waitText(error, { waitMs, attempt }));
  };
  try {
    const built = await retrying(steps, { name: "build", backoff: hands.backoff, onWait }, ({ signal }) =>
      buildOnce(work, hands, signal),
    );
    return { function: planned.name, state: "built", image: planned.image, ...built };
  } catch (error) {
    return failedOutcome(planned, error, { seconds: 0, onBug: (bug) => hands.log.bug(push, bug) });
  }
}

async function buildOnce(
  work: FunctionWork,
  hands: FunctionHands,
  signal: AbortSignal,
): Promise<{ digest: string; seconds: number }> {
  const { push, planned, inputs } = work;
  const startedMs = Date.now();
  const tree = await hands.trees.ofPush(push, { signal });
  const source = templateSource(planned.template);
  const templates = source === undefined ? undefined : await hands.trees.ofTemplates(push, source, { signal });
  const onEvent = (event: BuildEvent) => hands.log.event(work, event);
  const { digest } = await buildFunction(
    planned,
    { tree, ...(templates && { templates }), hands },
    { signal, onEvent },
  );
  if (inputs !== undefined) {
    await hands.memory?.storeGoodBuild(push, planned.name, { inputs, image: planned.image, digest, sha: push.sha });
  }
  return { digest, seconds: (Date.now() - startedMs) / 1000 };
}

/** The outcome of a function whose work ended with an error. */
export function failedOutcome(
  { name, image }: Pick<PlannedFunction, "name" | "image">,
  error: unknown,
  { seconds, onBug }: { seconds: number; onBug(error: unknown): void },
): Outcome {
  return { function: name, image, seconds, ...failureOf(error, onBug) };
}

/** What an error amounts to. People are told known faults; of a bug only that there is one. */
export function failureOf(error: unknown, onBug: (error: unknown) => void): Failure {
  if (!(error instanceof BuilderError)) {
    onBug(error);
    return { state: "error", reason: `of-builder failed: ${messageOf(error)}`, fix: "See the log of of-builder." };
  }
  const blamed = error.state === "failure" ? "failed" : "error";
  // Whoever force-pushed wants another commit, whose push comes by itself.
  const state = error.code === "commit_gone" ? "cancelled" : blamed;
  const excerpt = error.faults.map((fault) => fault.excerpt).join("\n");
  return {
    state,
    reason: error.message,
    fix: error.fix,
    ...(error.location && { location: error.location }),
    ...(excerpt !== "" && { excerpt }),
  };
}

interface Failure {
  readonly state: "failed" | "error" | "cancelled";
  readonly reason: string;
  readonly fix: string;
  readonly location?: Location;
  readonly excerpt?: string;
}
