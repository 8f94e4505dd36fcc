import type { BuildEvent } from "../model/build-event.ts";
import type { Context } from "../model/context.ts";
import type { Outcome, PushOutcome } from "../model/outcome.ts";
import { assemble, type BuildHands, buildFunction } from "./build-function.ts";
import { templateSource } from "./find-template.ts";
import type { Limit } from "./limit.ts";
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

export interface LocalHands extends PlanHands, BuildHands {
  readonly limit: Limit;
  readonly backoff: Backoff;
  readonly watcher: Watcher;
  onBug(error: unknown): void;
}

/** The story of a folder on this disk: the same as a push's, without GitHub and without memory. */
export async function runBuild(tree: Tree, steps: Steps, hands: LocalHands): Promise<PushOutcome> {
  const plan = await planStack(tree, hands);
  hands.watcher.begin(plan.functions);
  const outcomes = await Promise.all(
    plan.functions.map((planned) => hands.limit(() => runOne(planned, { tree, steps, hands }))),
  );
  return summary([...outcomes, ...plan.skipped.map(skippedOutcome)]);
}

/**
 * Assembles the context of every function of a folder, without building.
 * @returns each function's name with its context
 */
export async function assembleAll(
  tree: Tree,
  hands: PlanHands & Pick<BuildHands, "assemble">,
): Promise<readonly { name: string; context: Context }[]> {
  const { functions } = await planStack(tree, hands);
  return Promise.all(
    functions.map(async (planned) => ({
      name: planned.name,
      context: await assemble(planned, await treesOf(planned, { tree, hands }), hands),
    })),
  );
}

async function runOne(
  planned: PlannedFunction,
  { tree, steps, hands }: { tree: Tree; steps: Steps; hands: LocalHands },
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
      buildFunction(planned, { ...(await treesOf(planned, { tree, hands })), hands }, { signal, onEvent }),
    );
    return finish(
      { function: planned.name, state: "built", image: planned.image, digest, seconds: seconds() },
      watcher,
    );
  } catch (error) {
    return finish(failedOutcome(planned, error, { seconds: seconds(), onBug }), watcher);
  }
}

function finish(outcome: Outcome, watcher: Watcher): Outcome {
  watcher.finished(outcome);
  return outcome;
}

async function treesOf(planned: PlannedFunction, { tree, hands }: { tree: Tree; hands: PlanHands }) {
  const source = templateSource(planned.template);
  return source === undefined ? { tree } : { tree, templates: await hands.openTemplates(source) };
}
