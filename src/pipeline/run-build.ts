import { setImmediate } from "node:timers/promises";
import type { Fault } from "../errors.ts";
import { BuilderError } from "../errors.ts";
import type { BuildEvent } from "../model/build-event.ts";
import type { Context } from "../model/context.ts";
import { faultText, joinErrors } from "../model/faults.ts";
import type { GoodBuild } from "../model/inputs.ts";
import type { Outcome, PushOutcome } from "../model/outcome.ts";
import { type AssembleHands, assemble, type BuildHands, buildFunction } from "./build-function.ts";
import { templateSource } from "./find-template.ts";
import { unchangedOutcome } from "./find-unchanged.ts";
import { createLimit, type Limit } from "./limit.ts";
import { type PlanHands, type PlannedFunction, planStack } from "./plan.ts";
import { type Backoff, retrying } from "./retry.ts";
import { failedOutcome } from "./run-function.ts";
import { skippedOutcome, summary } from "./run-push.ts";
import type { Steps } from "./steps.ts";
import type { Tree } from "./tree.ts";

/** Who watches a build on this machine. */
export interface Watcher {
  begin(functions: readonly PlannedFunction[]): void;
  started(name: string): void;
  event(name: string, event: BuildEvent): void;
  finished(outcome: Outcome): void;
  note(text: string): void;
}

/** What is remembered on this machine of builds that went well. */
export interface LocalChanges {
  /**
   * Looks at a function's context.
   * @returns its last good build, where that was made of the same; and what was looked at, where it can be built from
   */
  look(planned: PlannedFunction, context: Context): Promise<{ readonly same?: GoodBuild; readonly context?: Context }>;
  /** Sees to it that the image of the build just found is where it is wanted; false where it is nowhere any more. */
  takeOver(planned: PlannedFunction): Promise<boolean>;
  /**
   * Remembers a good build, unless it may have been made of other files than were looked at.
   * @param built the context that it was made of, where that was the one looked at; and what makes one anew
   */
  keep(
    planned: PlannedFunction,
    built: { readonly context: Context | undefined; assemble(): Promise<Context> },
    digest: string,
  ): Promise<void>;
}

export interface LocalHands extends PlanHands, BuildHands {
  /** Absent: everything is built each time. */
  readonly changes?: LocalChanges;
  /** Called once, when the first function is found to have changed; where it throws nothing is built. */
  ready?(): Promise<void>;
  readonly limit: Limit;
  readonly backoff: Backoff;
  readonly watcher: Watcher;
  onBug(error: unknown): void;
}

/**
 * Looking at functions keeps this process busy. So it is done a few at a time, and not at all while BuildKit is made
 * ready, and others have their turn between two looks: what was found to have changed is built while the rest is looked at.
 */
const looksAtOnce = 2;

/** The story of a folder on this disk: the same as a push's, without GitHub. */
export async function runBuild(tree: Tree, steps: Steps, hands: LocalHands): Promise<PushOutcome> {
  const plan = await planStack(tree, hands);
  for (const warning of plan.warnings) noteLines(hands.watcher, `warning: ${faultText(warning)}`);
  hands.watcher.begin(plan.functions);
  let readiness: Promise<void> | undefined;
  const looks = createLimit(looksAtOnce);
  const look: Limit = (work) =>
    looks(async () => {
      await readiness;
      await setImmediate();
      return work();
    });
  const build = async (planned: PlannedFunction) => {
    const { unchanged, context } = await lookAt(planned, { tree, hands, look });
    if (unchanged) return unchanged;
    readiness ??= hands.ready?.();
    await readiness;
    return runOne(planned, { tree, steps, hands, ...(context && { context }) });
  };
  const outcomes = await Promise.all(plan.functions.map((planned) => hands.limit(() => build(planned))));
  return summary([...outcomes, ...plan.skipped.map(skippedOutcome)]);
}

/**
 * Assembles the context of every function of a folder, without building.
 * @returns each function with its context
 * @throws BuilderError with the faults of all functions
 */
export async function assembleAll(
  tree: Tree,
  hands: PlanHands & AssembleHands & { warn(warning: Fault): void },
): Promise<readonly { planned: PlannedFunction; context: Context }[]> {
  const { functions, warnings } = await planStack(tree, hands);
  warnings.forEach(hands.warn);
  const settled = await Promise.allSettled(
    functions.map(async (planned) => ({ planned, context: await assembleIn(planned, { tree, hands }) })),
  );
  const failures = failuresOf(settled);
  if (failures.length > 0) throw joinFailures([...failures, ...(await copyFailures(functions, { tree, hands }))]);
  return settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}

function failuresOf(settled: readonly PromiseSettledResult<unknown>[]): readonly unknown[] {
  return settled.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
}

/** A bug is thrown as it is; a fault that has a place in a file is told before one that has none. */
function joinFailures(failures: readonly unknown[]): unknown {
  const known = failures.filter((failure) => failure instanceof BuilderError);
  if (known.length < failures.length) return failures.find((failure) => !(failure instanceof BuilderError));
  const [first, ...others] = [...known].sort((one, other) => Number(!one.location) - Number(!other.location));
  return first && joinErrors([first, ...others]);
}

/**
 * What is wrong with copied paths, which are the same for all functions, and of which a function with a fault tells the
 * first at best. Each is looked at by itself, beside the whole folder as a handler.
 */
async function copyFailures(
  [planned]: readonly PlannedFunction[],
  around: { tree: Tree; hands: PlanHands & AssembleHands },
): Promise<readonly unknown[]> {
  if (!planned) return [];
  const { template: _, ...rest } = planned;
  const looks = planned.copy.map((path, at) => {
    const places = planned.places && { ...planned.places, copy: planned.places.copy.slice(at, at + 1) };
    return assembleIn({ ...rest, handler: ".", copy: [path], ...(places && { places }) }, around);
  });
  return failuresOf(await Promise.allSettled(looks));
}

/** What keeps a function from being looked at is told when it is built. */
async function lookAt(
  planned: PlannedFunction,
  { tree, hands, look }: { tree: Tree; hands: LocalHands; look: Limit },
): Promise<{ readonly unchanged?: Outcome; readonly context?: Context }> {
  const { changes, watcher } = hands;
  if (!changes) return {};
  const startedMs = Date.now();
  try {
    // Templates may have to be fetched first: for those no function waits behind another.
    const assembled = await assembleIn(planned, { tree, hands });
    const { same, context } = await look(() => changes.look(planned, assembled));
    if (!same || !(await changes.takeOver(planned))) return { ...(context && { context }) };
    return { unchanged: finish(unchangedOutcome(planned, same, (Date.now() - startedMs) / 1000), watcher) };
  } catch (error) {
    if (error instanceof BuilderError && error.code !== "build_cancelled") return {};
    throw error;
  }
}

async function runOne(
  planned: PlannedFunction,
  { tree, steps, hands, context }: { tree: Tree; steps: Steps; hands: LocalHands; context?: Context },
): Promise<Outcome> {
  const { watcher, backoff, onBug } = hands;
  const startedMs = Date.now();
  const seconds = () => (Date.now() - startedMs) / 1000;
  const onEvent = (event: BuildEvent) => watcher.event(planned.name, event);
  watcher.started(planned.name);
  try {
    const onWait = async (error: Error, waitMs: number) =>
      watcher.note(`${planned.name}: ${error.message}; trying again in ${waitMs / 1000} s`);
    const { digest } = await retrying(steps, { name: `build ${planned.name}`, backoff, onWait }, async ({ signal }) =>
      buildFunction(
        planned,
        { ...(await treesOf(planned, { tree, hands })), hands, ...(context && { context }) },
        { signal, onEvent },
      ),
    );
    await remember(planned, digest, { tree, hands, context });
    return finish(
      { function: planned.name, state: "built", image: planned.image, digest, seconds: seconds() },
      watcher,
    );
  } catch (error) {
    return finish(failedOutcome(planned, error, { seconds: seconds(), onBug }), watcher);
  }
}

/** A folder that has become unreadable since it was built is no fault of the build. */
async function remember(
  planned: PlannedFunction,
  digest: string,
  { tree, hands, context }: { tree: Tree; hands: LocalHands; context: Context | undefined },
) {
  try {
    await hands.changes?.keep(planned, { context, assemble: () => assembleIn(planned, { tree, hands }) }, digest);
  } catch (error) {
    if (!(error instanceof BuilderError)) throw error;
  }
}

function noteLines(watcher: Watcher, text: string): void {
  for (const line of text.split("\n")) watcher.note(line);
}

function finish(outcome: Outcome, watcher: Watcher): Outcome {
  watcher.finished(outcome);
  return outcome;
}

async function assembleIn(planned: PlannedFunction, { tree, hands }: { tree: Tree; hands: PlanHands & AssembleHands }) {
  return assemble(planned, await treesOf(planned, { tree, hands }), hands);
}

async function treesOf(planned: PlannedFunction, { tree, hands }: { tree: Tree; hands: PlanHands }) {
  const source = templateSource(planned.template);
  return source === undefined ? { tree } : { tree, templates: await hands.openTemplates(source) };
}
