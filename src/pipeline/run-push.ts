import { BuilderError } from "../errors.ts";
import type { Outcome, PushOutcome } from "../model/outcome.ts";
import type { Push } from "../model/push.ts";
import { assemble } from "./build-function.ts";
import { templateSource } from "./find-template.ts";
import { type Found, findUnchanged } from "./find-unchanged.ts";
import { type Plan, type PlanHands, type PlannedFunction, planStack } from "./plan.ts";
import { type Reporting, report, type Status, stackContext, statusOf } from "./report.ts";
import { retrying } from "./retry.ts";
import { type FunctionHands, type FunctionWork, failedOutcome, failureOf, waitText } from "./run-function.ts";
import type { Steps } from "./steps.ts";

/** What the story of a push starts from. Plain JSON: it is stored. */
export interface PushWork {
  readonly push: Push;
  /** Why nothing is to be built, where a person would otherwise wonder. */
  readonly skip?: string;
  /** Builds what has not changed, too. */
  readonly force?: boolean;
}

export interface PushHands extends FunctionHands {
  /** The rules of the installation for a push. */
  rulesFor(push: Push): Omit<PlanHands, "openTemplates">;
}

/**
 * The story of a push: checkout, stack, each function by itself, and what GitHub shows of all that. One failing
 * function does not stop the others. It is deterministic: whatever touches the world is a step.
 */
export async function runPush(work: PushWork, steps: Steps, hands: PushHands): Promise<PushOutcome> {
  const { push, skip } = work;
  const reporting: Reporting = {
    steps,
    reporter: hands.reporter,
    onRefused: (error) => hands.log.refused(push, error),
  };
  const end = async (outcome: PushOutcome) => {
    await report(push, stackStatus(outcome), reporting);
    hands.log.ended(push, outcome);
    return outcome;
  };
  if (skip !== undefined) return end({ state: "ignored", description: skip, functions: [] });

  const pending = (description: string) =>
    report(push, { context: stackContext, state: "pending", description }, reporting);
  await pending(`${push.owner.toLowerCase()}-${push.repository} stack deploy is in progress`);
  try {
    const plan = await planPush(push, { steps, hands, pending });
    const { unchanged, inputs } = await findInPush(work, plan, { steps, hands });
    const changed = plan.functions.filter(({ name }) => !unchanged.some((outcome) => outcome.function === name));
    const branches = changed.map((planned) => {
      const hash = inputs[planned.name];
      return runBranch({ push, planned, ...(hash !== undefined && { inputs: hash }) }, steps, hands);
    });
    const [built] = await Promise.all([Promise.all(branches), reportUnchanged(push, unchanged, reporting)]);
    return await end(summary([...built, ...unchanged, ...plan.skipped.map(skippedOutcome)]));
  } catch (error) {
    return await end(unreadable(push, error, hands));
  } finally {
    await hands.trees.close(push);
  }
}

async function planPush(
  push: Push,
  { steps, hands, pending }: { steps: Steps; hands: PushHands; pending(description: string): Promise<void> },
): Promise<Plan> {
  const onWait = async (error: BuilderError, waitMs: number, attempt: number) => {
    hands.log.retry(push, error, waitMs);
    await pending(waitText(error, { waitMs, attempt }));
  };
  return retrying(steps, { name: "plan", backoff: hands.backoff, onWait }, async ({ signal }) => {
    const tree = await hands.trees.ofPush(push, { signal });
    const openTemplates = (source: string) => hands.trees.ofTemplates(push, source, { signal });
    const plan = await planStack(tree, { ...hands.rulesFor(push), openTemplates });
    checkContexts(plan.functions);
    for (const warning of plan.warnings) hands.log.warned(push, warning);
    return plan;
  });
}

/** GitHub takes some 40 statuses at once, then one in 1.5 s: of more functions than these only the stack's status tells. */
const maxUnchangedShown = 20;

/** A function that is not built gets its end told and no beginning. */
async function reportUnchanged(push: Push, unchanged: readonly Outcome[], reporting: Reporting): Promise<void> {
  if (unchanged.length > maxUnchangedShown) return;
  for (const outcome of unchanged) await report(push, statusOf(outcome), reporting);
}

async function findInPush(
  { push, force = false }: PushWork,
  { functions }: Plan,
  { steps, hands }: { steps: Steps; hands: PushHands },
): Promise<Found> {
  const { memory, backoff, trees } = hands;
  if (!memory) return { unchanged: [], inputs: {} };
  return retrying(steps, { name: "unchanged", backoff }, async ({ signal }) => {
    const tree = await trees.ofPush(push, { signal });
    const contextOf = async (planned: PlannedFunction) => {
      const source = templateSource(planned.template);
      const templates = source === undefined ? undefined : await trees.ofTemplates(push, source, { signal });
      return assemble(planned, { tree, ...(templates && { templates }) }, hands);
    };
    const onBug = (error: unknown) => hands.log.bug(push, error);
    return findUnchanged(functions, { push, hands: { ...memory, onBug }, force, signal, contextOf });
  });
}

function checkContexts(functions: readonly PlannedFunction[]): void {
  if (functions.some(({ name }) => name === stackContext)) {
    throw new BuilderError(
      "name_invalid",
      `a function cannot be named "${stackContext}": the status of the whole stack has that name`,
    );
  }
}

async function runBranch(work: FunctionWork, steps: Steps, hands: PushHands): Promise<Outcome> {
  try {
    return await steps.branch<FunctionWork, Outcome>("function", work.planned.name, work);
  } catch (error) {
    return failedOutcome(work.planned, error, { seconds: 0, onBug: (bug) => hands.log.bug(work.push, bug) });
  }
}

/** The outcome of a function that its stack excludes. */
export function skippedOutcome(name: string): Outcome {
  return { function: name, state: "skipped", reason: "skip_build is set" };
}

/** Sums up the outcomes of a stack's functions. */
export function summary(outcomes: readonly Outcome[]): PushOutcome {
  const bad = outcomes.filter(({ state }) => ["failed", "error", "cancelled"].includes(state));
  if (bad.length === 0) {
    const of = (state: Outcome["state"]) => outcomes.filter((outcome) => outcome.state === state).length;
    const unchanged = of("unchanged") > 0 ? `, ${of("unchanged")} unchanged` : "";
    return {
      state: "success",
      description: `stack is successfully built: ${count(of("built"), "function")}${unchanged}`,
      functions: outcomes,
    };
  }
  const states = bad.map(({ state }) => pushState(state));
  const state = (["failure", "error"] as const).find((worst) => states.includes(worst)) ?? "cancelled";
  const names = bad.map((outcome) => outcome.function).join(", ");
  return {
    state,
    description: `${bad.length} of ${count(outcomes.length, "function")} ${state === "cancelled" ? state : "failed"}: ${names}`,
    functions: outcomes,
  };
}

/** A repository without a stack file is nobody's fault: an App may be installed on all of an owner's repositories. */
function unreadable(push: Push, error: unknown, hands: PushHands): PushOutcome {
  if (error instanceof BuilderError && error.code === "stack_missing") {
    return { state: "ignored", description: `nothing to build: ${error.message}`, functions: [] };
  }
  const { state, reason } = failureOf(error, (bug) => hands.log.bug(push, bug));
  const faults = error instanceof BuilderError && error.faults.length > 0 ? { faults: error.faults } : {};
  return { state: pushState(state), description: reason, functions: [], ...faults };
}

function pushState(state: Outcome["state"]): "failure" | "error" | "cancelled" {
  if (state === "failed") return "failure";
  return state === "cancelled" ? state : "error";
}

/** GitHub has no state for what is no fault of anybody. */
function stackStatus({ state, description }: PushOutcome): Status {
  const context = stackContext;
  if (state === "cancelled") return { context, state: "error", description: `cancelled: ${description}` };
  return { context, state: state === "ignored" ? "success" : state, description };
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
