import { BuilderError, type Fault, type Location, messageOf } from "../errors.ts";
import type { BuildEvent } from "../model/build-event.ts";
import { joinExcerpts } from "../model/faults.ts";
import type { Outcome, PushOutcome } from "../model/outcome.ts";
import { cacheNamespaceOf, type Push } from "../model/push.ts";
import { type BuildHands, buildFunction, repositoryPath } from "./build-function.ts";
import { type BuildLines, createNoteTaker } from "./build-notes.ts";
import { templateSource } from "./find-template.ts";
import type { MemoryHands } from "./find-unchanged.ts";
import type { PlannedFunction } from "./plan.ts";
import { functionReport, isFailure, type Reporter, type Reporting, tell, tellWaits } from "./report.ts";
import { type Backoff, retrying } from "./retry.ts";
import type { Runs } from "./runs.ts";
import { type Steps, StoryMoved } from "./steps.ts";
import { within } from "./time-limit.ts";
import type { Trees } from "./trees.ts";

/** What the story of one function starts from. Plain JSON: it is stored. */
export interface FunctionWork {
  readonly push: Push;
  readonly planned: PlannedFunction;
  /** Hash of what it is made of, where that is known. */
  readonly inputs?: string;
  /** The push's place in the order of its branch; absent: what is built is not what the branch stands for. */
  readonly order?: string;
  /** GitHub shows it by itself only when it fails: its stack has too many functions. */
  readonly quiet?: boolean;
}

export interface FunctionHands extends BuildHands {
  /** Absent: everything is built each time. */
  readonly memory?: MemoryHands;
  readonly trees: Trees;
  readonly runs: Runs;
  readonly reporter: Reporter;
  readonly backoff: Backoff;
  /** Longest time of what comes before a build; 0 = no limit. */
  readonly stepLimitMs: number;
  readonly log: StoryLog;
  /** Packed bytes of an image in the registry, where that says so. */
  readSize?(image: string, options: { signal: AbortSignal }): Promise<number | undefined>;
  /** Opens what people read of a function's build; each attempt writes on where the one before ended. */
  openLog?(work: FunctionWork): Promise<FunctionLog>;
  /** Begins what turns a build's events into lines for GitHub. */
  openLines(): Promise<BuildLines>;
}

export interface FunctionLog extends AsyncDisposable {
  event(event: BuildEvent): void;
  /** A line of ours. */
  note(text: string): void;
}

/** What the stories tell besides their outcomes. */
export interface StoryLog {
  event(work: FunctionWork, event: BuildEvent): void;
  retry(push: Push, error: BuilderError, waitMs: number): void;
  refused(push: Push, error: unknown): void;
  /** Something that people could have looked at is not put down. */
  unrecorded(push: Push, error: unknown): void;
  bug(push: Push, error: unknown): void;
  ended(push: Push, outcome: PushOutcome): void;
  /** Something in the stack that is most likely a mistake. */
  warned(push: Push, warning: Fault): void;
}

/** The story of one function of a push: queued, built (again after a while where that may help), its end told. */
export async function runFunction(work: FunctionWork, steps: Steps, hands: FunctionHands): Promise<Outcome> {
  const { push, planned } = work;
  await using _trees = hands.trees.use(push);
  const quiet = work.quiet === true;
  const reporting = { ...reportingOf(push, steps, hands), quiet };
  const { name: context, image } = planned;
  const description = `${context} function build started, image: ${image}`;
  await tell({ context, state: "queued", description }, reporting);
  const outcome = await buildOutcome(work, { steps, hands, reporting });
  // The push's end puts it down in any case.
  const newer = await hands.runs.endFunction(push, outcome).catch((error: unknown) => {
    hands.log.unrecorded(push, error);
    return {};
  });
  const report = { ...functionReport(outcome), ...newer };
  await tell(report, { ...reporting, quiet: quiet && !isFailure(report) });
  return outcome;
}

/** How a story of a push tells reports. */
export function reportingOf(push: Push, steps: Steps, { reporter, log }: FunctionHands): Reporting {
  return { push, steps: steps.lasting, reporter, onRefused: (error) => log.refused(push, error) };
}

async function buildOutcome(
  work: FunctionWork,
  { steps, hands, reporting }: { steps: Steps; hands: FunctionHands; reporting: Reporting },
): Promise<Outcome> {
  const { push, planned } = work;
  const onWait = tellWaits(planned.name, reporting, (error, waitMs) => hands.log.retry(push, error, waitMs));
  let startedMs = Date.now();
  try {
    const built = await retrying(steps, { name: "build", backoff: hands.backoff, onWait }, ({ signal }) => {
      startedMs = Date.now();
      return buildOnce(work, hands, signal);
    });
    return { function: planned.name, state: "built", image: planned.image, ...built };
  } catch (error) {
    const seconds = (Date.now() - startedMs) / 1000;
    return failedOutcome(planned, error, { seconds, onBug: (bug) => hands.log.bug(push, bug) });
  }
}

/** One attempt, with its log and what GitHub shows of it. */
async function buildOnce(work: FunctionWork, hands: FunctionHands, signal: AbortSignal): Promise<Built> {
  const { push, planned } = work;
  await using told = await hands.openLog?.(work);
  const placeOf = (place: Location) => ({ ...place, path: repositoryPath(place.path, planned) });
  const notes = createNoteTaker({ lines: await hands.openLines(), placeOf });
  await using _kept = {
    async [Symbol.asyncDispose]() {
      const keeping = hands.reporter.keep(push, planned.name, notes.end());
      await keeping.catch((error: unknown) => hands.log.unrecorded(push, error));
    },
  };
  const onEvent = (event: BuildEvent) => {
    told?.event(event);
    hands.log.event(work, event);
    if (notes.take(event)) hands.reporter.hear(push, planned.name, notes.progress());
  };
  try {
    const built = await buildAndRemember(work, hands, { signal, onEvent });
    const bytes = await sizeOf(planned, { hands, signal });
    return { ...built, ...(notes.isCached && { cached: true }), ...(bytes !== undefined && { bytes }) };
  } catch (error) {
    told?.note(`failed: ${error instanceof BuilderError ? error.message : "by a fault of of-builder"}`);
    throw error;
  }
}

/** Nice to know, and nothing that a build may fail of. */
async function sizeOf(
  { image }: PlannedFunction,
  { hands, signal }: { hands: FunctionHands; signal: AbortSignal },
): Promise<number | undefined> {
  return hands.readSize?.(image, { signal }).catch(() => undefined);
}

interface Built {
  readonly digest: string;
  readonly seconds: number;
  readonly cached?: boolean;
  readonly bytes?: number;
}

async function buildAndRemember(
  work: FunctionWork,
  hands: FunctionHands,
  { signal, onEvent }: { signal: AbortSignal; onEvent(event: BuildEvent): void },
): Promise<Built> {
  const { push, planned, inputs, order } = work;
  const startedMs = Date.now();
  await hands.runs.beginFunction(push, planned.name);
  const { tree, templates } = await within(
    { limitMs: hands.stepLimitMs, what: "fetching the commit", signal },
    (options) => openTrees(work, hands, options.signal),
  );
  const whose = { owner: push.owner, cacheNamespace: cacheNamespaceOf(push) };
  const build: BuildHands["build"] = (request, options) => hands.build({ ...request, ...whose }, options);
  const { digest } = await buildFunction(
    planned,
    { tree, ...(templates && { templates }), hands: { ...hands, build } },
    { signal, onEvent },
  );
  if (inputs !== undefined && order !== undefined) {
    const build = { inputs, image: planned.image, digest, sha: push.sha };
    await hands.memory?.storeGoodBuild(push, planned.name, { ...build, order });
  }
  return { digest, seconds: (Date.now() - startedMs) / 1000 };
}

/** They are here already, but after a restart. */
async function openTrees({ push, planned }: FunctionWork, { trees }: FunctionHands, signal: AbortSignal) {
  const tree = await trees.ofPush(push, { signal });
  const source = templateSource(planned.template);
  return { tree, templates: source === undefined ? undefined : await trees.ofTemplates(push, source, { signal }) };
}

/** The outcome of a function whose work ended with an error. */
export function failedOutcome(
  { name, image }: Pick<PlannedFunction, "name" | "image">,
  error: unknown,
  { seconds, onBug }: { seconds: number; onBug(error: unknown): void },
): Outcome {
  return { function: name, image, seconds, ...failureOf(error, onBug) };
}

/**
 * What an error amounts to. People are told known faults; of a bug only that there is one.
 * @throws StoryMoved, which amounts to nothing here
 */
export function failureOf(error: unknown, onBug: (error: unknown) => void): Failure {
  if (error instanceof StoryMoved) throw error;
  if (!(error instanceof BuilderError)) {
    onBug(error);
    return { state: "error", reason: `of-builder failed: ${messageOf(error)}`, fix: "See the log of of-builder." };
  }
  const blamed = error.state === "failure" ? "failed" : "error";
  // Whoever force-pushed wants another commit, whose push comes by itself.
  const state = ["commit_gone", "build_cancelled"].includes(error.code) ? "cancelled" : blamed;
  const excerpt = joinExcerpts(error.faults);
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
