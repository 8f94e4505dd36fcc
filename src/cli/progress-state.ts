import type { BuildEvent } from "../model/build-event.ts";
import { createLineJoiner, type LineJoiner } from "../model/log-lines.ts";
import type { Outcome } from "../model/outcome.ts";
import { cleanLine, fitText } from "../model/terminal-text.ts";
import { type BuildWarning, warningKey, warningLines } from "../model/warning-lines.ts";

/** Everything that is known of one function's build, with bounds that hold whatever its Dockerfile prints. */
export interface FunctionState {
  readonly name: string;
  readonly image: string;
  /** Milliseconds of our own clock; undefined while it waits. */
  startedAt: number | undefined;
  outcome: Outcome | undefined;
  readonly steps: Map<string, Step>;
  /** Steps seen so far, forgotten ones included: the next step's number less one. */
  numbered: number;
  /** Lines of each warning, by what tells it apart. */
  readonly warnings: Map<string, readonly string[]>;
}

/** One vertex of BuildKit's graph. Times are milliseconds of the daemon's clock. */
export interface Step {
  /** Counts from 1 in the order of the starts; 0 while it waits. */
  number: number;
  name: string;
  started: number | undefined;
  completed: number | undefined;
  /** Milliseconds that runs before this one took. */
  earlierMs: number;
  /** When this run was first heard of, in milliseconds of our clock: the daemon's may be wrong. */
  heardAt: number;
  cached: boolean;
  error: string;
  /** How its last run that was told ended: BuildKit looks at many steps again for an instant. */
  told: "" | "started" | "done" | "cached" | "failed";
  /** The last lines that it printed. */
  readonly tail: string[];
  readonly streams: Map<string, LineJoiner>;
  readonly transfers: Map<string, Transfer>;
}

/** Progress inside a step; `total` 0 = unknown. */
export interface Transfer {
  readonly id: string;
  readonly current: number;
  readonly total: number;
  /** When it began, in milliseconds of our clock. */
  readonly beganAt: number;
  readonly isDone: boolean;
}

/** What an event changed, in the order in which it is told on plain lines. */
export type Change =
  | { readonly kind: "started"; readonly step: Step }
  | { readonly kind: "line"; readonly step: Step; readonly seconds: number; readonly text: string }
  | { readonly kind: "ended"; readonly step: Step; readonly seconds: number }
  | { readonly kind: "warning"; readonly lines: readonly string[] };

const maxSteps = 500;
const maxTransfers = 200;
const maxWarnings = 50;
const maxName = 500;
/** Seconds below which a further run of a step is not told. */
const worthTelling = 0.05;
/** Lines of a step that are kept to be shown when it fails. */
export const tailLines = 20;

/** Creates the state of a function that waits. */
export function createFunctionState(name: string, image: string): FunctionState {
  return {
    name: cleanLine(name),
    image: cleanLine(image),
    startedAt: undefined,
    outcome: undefined,
    steps: new Map(),
    numbered: 0,
    warnings: new Map(),
  };
}

/**
 * Takes an event into the state and answers what it changed; none where it only repeats.
 * @param now milliseconds of our clock
 */
export function applyEvent(state: FunctionState, event: BuildEvent, now: number): readonly Change[] {
  if (event.kind === "vertex") return applyVertex(state, event, now);
  if (event.kind === "status") return applyStatus(state, event, now);
  if (event.kind === "log") return applyLog(state, event);
  return applyWarning(state, event);
}

/** Ends the lines that were begun, as nothing more comes. */
export function endLines(state: FunctionState): readonly Change[] {
  return [...state.steps.values()].flatMap((step) => endStreams(step, step.completed ?? step.started ?? 0));
}

/** The step that a failed build failed at: the one with an error of its own. */
export function failedStep(state: FunctionState): Step | undefined {
  const failed = [...state.steps.values()].filter(({ error }) => error !== "");
  return failed.findLast(({ error }) => !/context canceled/.test(error)) ?? failed.at(-1);
}

/** The step that a person should look at: the last one started that still runs, BuildKit's own chores last. */
export function currentStep(state: FunctionState): Step | undefined {
  const running = begunSteps(state).filter(isRunning);
  return running.findLast(({ name }) => !name.startsWith("[internal]")) ?? running.at(-1);
}

/** True for a step that has started and not ended. */
export function isRunning(step: Step): boolean {
  return step.started !== undefined && step.completed === undefined;
}

/** The steps that have begun, in the order in which they did. */
export function begunSteps(state: FunctionState): readonly Step[] {
  return [...state.steps.values()].filter(({ number }) => number > 0).sort((a, b) => a.number - b.number);
}

/** How long all runs of a step took until now, which is in milliseconds of our clock. */
export function stepSeconds(step: Step, now: number): number {
  return (step.earlierMs + (isRunning(step) ? Math.max(0, now - step.heardAt) : lastRunMs(step))) / 1000;
}

function lastRunMs({ started, completed }: Step): number {
  return started === undefined || completed === undefined ? 0 : Math.max(0, completed - started);
}

type Vertex = Extract<BuildEvent, { kind: "vertex" }>;

/** A vertex may run several times. Its start is told once, its end again where there is something new to tell. */
function applyVertex(state: FunctionState, event: Vertex, now: number): readonly Change[] {
  const step = stepOf(state, event.digest);
  const begins = event.started !== undefined && event.started !== step.started;
  const ends = event.completed !== undefined && event.completed !== step.completed;
  if (begins) {
    step.earlierMs += lastRunMs(step);
    step.heardAt = now;
  }
  step.name = fitText(cleanLine(event.name), maxName);
  step.started = event.started;
  step.completed = event.completed;
  step.cached = event.cached;
  step.error = event.error;
  return [...(begins || ends ? tellStart(state, step) : []), ...(ends ? tellEnd(step) : [])];
}

function tellStart(state: FunctionState, step: Step): readonly Change[] {
  number(state, step);
  if (step.told !== "") return [];
  step.told = "started";
  return [{ kind: "started", step }];
}

function tellEnd(step: Step): readonly Change[] {
  const completed = step.completed ?? 0;
  const seconds = (completed - (step.started ?? completed)) / 1000;
  const how = step.error === "" ? (step.cached ? "cached" : "done") : "failed";
  const changes: Change[] = [...endStreams(step, completed)];
  if (how !== step.told || seconds >= worthTelling) changes.push({ kind: "ended", step, seconds });
  step.told = how;
  step.transfers.clear();
  if (how !== "failed") step.tail.length = 0;
  return changes;
}

/** One that has ended still counts: of a step's bytes as a whole the number would shrink. */
function applyStatus(
  state: FunctionState,
  event: Extract<BuildEvent, { kind: "status" }>,
  now: number,
): readonly Change[] {
  const { transfers } = stepOf(state, event.vertex);
  const { current, total, started, completed, timestamp } = event;
  const known = transfers.get(event.id);
  if (!known && transfers.size >= maxTransfers) forgetDone(transfers);
  if (!known && transfers.size >= maxTransfers) return [];
  const id = fitText(cleanLine(event.id), maxName);
  const beganAt = known?.beganAt ?? now - Math.max(0, (completed ?? timestamp) - (started ?? timestamp));
  transfers.set(event.id, { id, current, total, beganAt, isDone: completed !== undefined });
  return [];
}

function forgetDone(transfers: Map<string, Transfer>): void {
  for (const [id, { isDone }] of transfers) {
    if (isDone) return void transfers.delete(id);
  }
}

function applyLog(state: FunctionState, event: Extract<BuildEvent, { kind: "log" }>): readonly Change[] {
  const step = stepOf(state, event.vertex);
  number(state, step);
  const joiner = step.streams.get(event.stream) ?? createLineJoiner();
  step.streams.set(event.stream, joiner);
  return keep(step, event.timestamp, joiner.push(event.text));
}

/** A build that is run again warns again, and is not told again. */
function applyWarning({ warnings }: FunctionState, event: BuildWarning): readonly Change[] {
  const key = warningKey(event);
  if (warnings.has(key) || warnings.size >= maxWarnings) return [];
  const lines = warningLines(event);
  warnings.set(key, lines);
  return [{ kind: "warning", lines }];
}

function endStreams(step: Step, timestamp: number): readonly Change[] {
  return [...step.streams.values()].flatMap((joiner) => keep(step, timestamp, joiner.end()));
}

function keep(step: Step, timestamp: number, lines: readonly string[]): readonly Change[] {
  step.tail.push(...lines.slice(-tailLines));
  step.tail.splice(0, step.tail.length - tailLines);
  const seconds = Math.max(0, timestamp - (step.started ?? timestamp)) / 1000;
  return lines.map((text) => ({ kind: "line", step, seconds, text }));
}

function number(state: FunctionState, step: Step): void {
  if (step.number > 0) return;
  state.numbered += 1;
  step.number = state.numbered;
}

/** Beyond its bound the map forgets the step known longest that does not run. */
function stepOf({ steps }: FunctionState, digest: string): Step {
  const known = steps.get(digest);
  if (known) return known;
  if (steps.size >= maxSteps) {
    const oldest = [...steps].find(([, step]) => !isRunning(step)) ?? [...steps][0];
    if (oldest) steps.delete(oldest[0]);
  }
  const step: Step = {
    number: 0,
    name: "",
    started: undefined,
    completed: undefined,
    earlierMs: 0,
    heardAt: 0,
    cached: false,
    error: "",
    told: "",
    tail: [],
    streams: new Map(),
    transfers: new Map(),
  };
  steps.set(digest, step);
  return step;
}
