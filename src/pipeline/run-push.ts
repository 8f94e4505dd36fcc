import { BuilderError } from "../errors.ts";
import { skipMarkOf } from "../model/build-policy.ts";
import type { Outcome, PushOutcome } from "../model/outcome.ts";
import type { Push } from "../model/push.ts";
import { type Report, remarksOf, stackContext } from "../model/report.ts";
import { assemble } from "./build-function.ts";
import { templateSource } from "./find-template.ts";
import { type Found, findUnchanged, takeOverImages } from "./find-unchanged.ts";
import { type Plan, type PlanHands, type PlannedFunction, planStack } from "./plan.ts";
import { functionReport, maxShownFunctions, type Reporting, stackReport, tell, tellWaits } from "./report.ts";
import { retrying } from "./retry.ts";
import { type FunctionHands, type FunctionWork, failedOutcome, failureOf, reportingOf } from "./run-function.ts";
import type { Current, Newer, Superseded } from "./runs.ts";
import type { Steps } from "./steps.ts";

/** What the story of a push starts from. Plain JSON: it is stored. */
export interface PushWork {
  readonly push: Push;
  /** Why nothing is to be built, where a person would otherwise wonder. */
  readonly skip?: string;
  /** With `skip`: whether a person may allow it to be built. */
  readonly approvable?: boolean;
  /** Builds what has not changed, too. */
  readonly force?: boolean;
  /** Only these functions. */
  readonly only?: readonly string[];
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
  const { push, skip, approvable = false } = work;
  const reporting = reportingOf(push, steps, hands);
  const end = async (outcome: PushOutcome, rest: Partial<Report> = {}) => {
    const newer = await storeEnd(push, outcome, { steps: steps.lasting, hands });
    await tell({ ...stackReport(outcome), ...newer, ...rest }, reporting);
    hands.log.ended(push, outcome);
    return outcome;
  };
  const endSkipped = (reason: string) =>
    end({ state: "ignored", description: reason, functions: [] }, { state: approvable ? "approval" : "skipped" });
  if (skip !== undefined) return endSkipped(skip);

  const description = `${push.owner.toLowerCase()}-${push.repository} stack deploy is in progress`;
  await tell({ context: stackContext, state: "running", description }, reporting);
  await using _trees = hands.trees.use(push);
  try {
    const begun = await planPush(work, { steps, hands, reporting });
    if ("supersededBy" in begun) return await end(supersededOutcome(begun.supersededBy.sha));
    if ("skip" in begun) return await endSkipped(begun.skip);
    const { plan, ...standing } = begun;
    const known = await findInPush(work, plan, { steps, hands });
    const found = new Map(known.map((each) => [each.name, each]));
    const quiet = plan.functions.length > maxShownFunctions;
    const build = (planned: PlannedFunction) => {
      const inputs = found.get(planned.name)?.inputs;
      return runBranch({ push, planned, ...(inputs !== undefined && { inputs }), ...standing, quiet }, steps, hands);
    };
    // What has changed is built while the others get their names: only one of the two takes further steps.
    const [changed, same] = await Promise.all([
      Promise.all(plan.functions.filter(({ name }) => !found.get(name)?.same).map(build)),
      takeOverSame(plan, found, { push, standing, steps, hands, build, tellEnd: tellUnchanged({ reporting, quiet }) }),
    ]);
    const outcome = summary([...changed, ...same, ...plan.skipped.map(skippedOutcome)]);
    return await end(outcome, { remarks: remarksOf(plan.warnings, "warning") });
  } catch (error) {
    return await end(unreadable(push, error, hands));
  }
}

type Begun = Superseded | Skipped | (Current & { readonly plan: Plan });

/** What its author wants not to be built. */
interface Skipped {
  readonly skip: string;
}

/** While the stack is fetched and read, GitHub is asked whether it is still wanted: nobody waits for that. */
async function planPush(
  work: PushWork,
  { steps, hands, reporting }: { steps: Steps; hands: PushHands; reporting: Reporting },
): Promise<Begun> {
  const { push } = work;
  const onWait = tellWaits(stackContext, reporting, (error, waitMs) => hands.log.retry(push, error, waitMs));
  return retrying(
    steps,
    { name: "plan", backoff: hands.backoff, limitMs: hands.stepLimitMs, onWait },
    async ({ signal }) => {
      const planning = readPlan(work, hands, signal);
      const [standing, plan] = await Promise.allSettled([hands.runs.begin(push, { signal }), planning]);
      if (standing.status === "rejected") throw standing.reason;
      if ("supersededBy" in standing.value) return standing.value;
      if (plan.status === "rejected") throw plan.reason;
      if ("skip" in plan.value) return plan.value;
      await hands.runs.plan(push, plan.value.functions);
      return { ...standing.value, plan: plan.value };
    },
  );
}

async function readPlan({ push, only }: PushWork, hands: PushHands, signal: AbortSignal): Promise<Plan | Skipped> {
  const tree = await hands.trees.ofPush(push, { signal });
  // The event of a pull request does not say what its commits do.
  const mark = push.kind === "pull_request" ? skipMarkOf(tree.message ?? "") : undefined;
  if (mark !== undefined) return { skip: `skipping build: the commit says ${mark}` };
  const openTemplates = (source: string) => hands.trees.ofTemplates(push, source, { signal });
  const plan = await planStack(tree, { ...hands.rulesFor(push), openTemplates });
  checkContexts(plan.functions);
  for (const warning of plan.warnings) hands.log.warned(push, warning);
  return only ? { ...plan, functions: plan.functions.filter(({ name }) => only.includes(name)), skipped: [] } : plan;
}

async function storeEnd(
  push: Push,
  outcome: PushOutcome,
  { steps, hands }: { steps: Steps; hands: PushHands },
): Promise<Newer> {
  return retrying(steps, { name: "end", backoff: hands.backoff }, () => hands.runs.end(push, outcome));
}

/** A function that is not built gets its end told and no beginning. Of too many only the stack's report tells. */
function tellUnchanged({ reporting, quiet }: { reporting: Reporting; quiet: boolean }) {
  return async (unchanged: readonly Outcome[]) => {
    if (quiet) return;
    for (const outcome of unchanged) await tell(functionReport(outcome), reporting);
  };
}

interface TakingOver {
  readonly push: Push;
  readonly standing: Current;
  readonly steps: Steps;
  readonly hands: PushHands;
  build(planned: PlannedFunction): Promise<Outcome>;
  tellEnd(unchanged: readonly Outcome[]): Promise<void>;
}

/** What is made of the same keeps its image; what has lost it is built after all. */
async function takeOverSame(
  plan: Plan,
  found: ReadonlyMap<string, Found>,
  taking: TakingOver,
): Promise<readonly Outcome[]> {
  const { push, standing, steps, hands, build, tellEnd } = taking;
  const { memory, backoff } = hands;
  const functions = plan.functions.flatMap((planned) => {
    const same = found.get(planned.name)?.same;
    return same ? [{ planned, build: same }] : [];
  });
  if (!memory || functions.length === 0) return [];
  const unchanged = await retrying(steps, { name: "names", backoff, limitMs: hands.stepLimitMs }, ({ signal }) =>
    takeOverImages(functions, { push, ...standing, hands: memory, signal }),
  );
  const lost = functions.filter(({ planned }) => !unchanged.some((outcome) => outcome.function === planned.name));
  const [built] = await Promise.all([Promise.all(lost.map(({ planned }) => build(planned))), tellEnd(unchanged)]);
  return [...built, ...unchanged];
}

async function findInPush(
  { push, force = false }: PushWork,
  { functions }: Plan,
  { steps, hands }: { steps: Steps; hands: PushHands },
): Promise<readonly Found[]> {
  const { memory, backoff, trees } = hands;
  if (!memory) return [];
  return retrying(steps, { name: "unchanged", backoff, limitMs: hands.stepLimitMs }, async ({ signal }) => {
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

function supersededOutcome(sha: string): PushOutcome {
  return { state: "cancelled", description: `superseded by ${sha.slice(0, 7)}`, functions: [] };
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
  const failed = `${bad.length} of ${count(outcomes.length, "function")} failed`;
  const description = `${state === "cancelled" ? reasonsOf(bad) : failed}: ${names}`;
  return { state, description, functions: outcomes };
}

/** Why functions were cancelled: mostly all for the same reason. */
function reasonsOf(outcomes: readonly Outcome[]): string {
  return [...new Set(outcomes.map((outcome) => ("reason" in outcome ? outcome.reason : outcome.state)))].join("; ");
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

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
