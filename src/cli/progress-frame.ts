import { fitText, padText, textWidth } from "../model/terminal-text.ts";
import { formatSeconds } from "./progress-numbers.ts";
import { outcomeMark, outcomeText } from "./progress-report.ts";
import { begunSteps, currentStep, type FunctionState } from "./progress-state.ts";
import {
  drawSteps,
  drawTail,
  runningMark,
  shareRows,
  shortenDigests,
  tailOf,
  type Window,
  wantedRows,
} from "./progress-steps.ts";
import { transferText } from "./progress-transfer.ts";

/**
 * Draws the block of functions as it is to stand on the terminal now.
 * @returns at most `rows - 1` lines of at most `columns - 1` columns: a full last column or row would scroll
 */
export type Frame = (functions: readonly FunctionState[], window: Window) => readonly string[];

/** What is remembered of the lines below a function from frame to frame, so that they stay where they are. */
interface Body {
  /** The lines that it wanted at most of late, and when it last did. */
  wanted: number;
  wantedAt: number;
  rows: number;
  folded: number;
}

const nameColumns = 32;
/** Lines that each running function has to have for its steps, or only the step that it is at is told, in its own line. */
const stepRows = 3;
/** How long lines are kept for a function that has no use for them: the next step mostly has. */
const keepMs = 3000;

/**
 * Creates the drawer of one block. Each function has a line; those that run share the room that is left, for their steps
 * or, where that is little, for what their steps print. Where functions are too many for a line each, the less telling
 * ones are counted in a last line.
 */
export function createFrame(): Frame {
  let bodies = new WeakMap<FunctionState, Body>();
  let areOpen = true;

  return (functions, window) => {
    const room = functionRoom(functions, window);
    const fits = functions.length <= room;
    const shown = fits ? functions : mostTelling(functions, room - 1);
    const names = Math.min(nameColumns, Math.max(0, ...functions.map(({ name }) => textWidth(name))));
    const spare = roomFor(window) - shown.length - (fits ? 0 : 1);
    const hasSteps = spare >= stepRows * shown.filter(isBuilding).length;
    if (hasSteps !== areOpen) bodies = new WeakMap();
    areOpen = hasSteps;
    const bodiesOf = shown.map((state) => keepBody(bodies, state, { hasSteps, now: window.now }));
    const dealt = shareRows(
      bodiesOf.map(({ wanted }) => wanted),
      spare,
    );
    const lines = shown.flatMap((state, at) => {
      const [body, rows = 0] = [bodiesOf[at], dealt[at]];
      const isOpen = hasSteps && rows > 0;
      const below = body === undefined ? [] : drawBody(state, window, { body, rows, isOpen });
      return [drawFunction(state, window, { names, isOpen }), ...below];
    });
    return fits ? lines : [...lines, drawRest(functions, shown, window)];
  };
}

function keepBody(
  bodies: WeakMap<FunctionState, Body>,
  state: FunctionState,
  { hasSteps, now }: { hasSteps: boolean; now: number },
): Body {
  const body = bodies.get(state) ?? { wanted: 0, wantedAt: now, rows: 0, folded: 0 };
  bodies.set(state, body);
  const running = isBuilding(state);
  const wanted = !running ? 0 : hasSteps ? wantedRows(state) : tailOf(currentStep(state)).length;
  if (!running || wanted >= body.wanted || now - body.wantedAt > keepMs) Object.assign(body, { wanted, wantedAt: now });
  return body;
}

function drawBody(
  state: FunctionState,
  window: Window,
  { body, rows, isOpen }: { body: Body; rows: number; isOpen: boolean },
): readonly string[] {
  if (!isOpen) return drawTail(currentStep(state), window, rows);
  if (rows > body.rows) body.folded = 0;
  body.rows = rows;
  const { lines, folded } = drawSteps(state, window, body);
  body.folded = folded;
  return lines;
}

function isBuilding(state: FunctionState): boolean {
  return state.startedAt !== undefined && !state.outcome;
}

/** The lines that functions themselves may take, those that are only counted as one; the rest is for their steps. */
export function functionRoom(functions: readonly FunctionState[], window: Pick<Window, "rows">): number {
  const room = roomFor(window);
  const running = functions.filter(isBuilding).length;
  return Math.max(Math.ceil(room / 2), room - stepRows * running, Math.min(running + 1, room));
}

/** The lines that a block may have: one row is left to the cursor, which stands below it. */
function roomFor({ rows }: Pick<Window, "rows">): number {
  return Math.max(1, rows - 1);
}

/**
 * The line of one function: mark, name in `names` columns, what it does, how many of its steps are done and were cached,
 * seconds. What it does now is not told where its steps are drawn below.
 */
export function drawFunction(
  state: FunctionState,
  window: Window,
  { names = textWidth(state.name), isOpen = false }: { names?: number; isOpen?: boolean } = {},
): string {
  const { columns, now, paint } = window;
  const seconds = secondsOf(state, now);
  const right = [...countsOf(state), seconds].filter((word) => word !== "").join("  ");
  const middle = columns - 1 - 2 - names - 2 - (right === "" ? 0 : right.length + 2);
  if (middle <= 0) return fitText(`${state.name} ${seconds}`, columns - 1);
  const text = padText(shortenDigests(isOpen ? state.image : describe(state)), middle);
  const painted = isOpen || state.startedAt === undefined || state.outcome ? paint.dim(text) : text;
  const line = `${paint.bold(padText(state.name, names))}  ${painted}${right === "" ? "" : `  ${paint.dim(right)}`}`;
  return `${markOf(state, window)} ${line}`;
}

function describe(state: FunctionState): string {
  if (state.outcome) return outcomeText(state.outcome);
  if (state.startedAt === undefined) return "waiting";
  const step = currentStep(state);
  if (!step) return state.steps.size === 0 ? "starting" : "working";
  const name = step.name.replace(/^\[internal\] /, "");
  const transfer = transferText(step);
  return transfer === "" ? name : `${name}  ${transfer}`;
}

/** "4/7", and how many of them were cached. */
function countsOf(state: FunctionState): readonly string[] {
  const begun = state.outcome ? [] : begunSteps(state);
  if (begun.length === 0) return [];
  const done = begun.filter(({ completed }) => completed !== undefined);
  const cached = done.filter((step) => step.cached).length;
  return [cached > 0 ? `${cached} cached` : "", `${done.length}/${state.steps.size}`];
}

function markOf(state: FunctionState, window: Window): string {
  if (state.outcome) return outcomeMark(state.outcome, window.paint);
  return state.startedAt === undefined ? window.paint.dim("·") : runningMark(window);
}

function secondsOf({ outcome, startedAt }: FunctionState, now: number): string {
  if (outcome) return outcome.state === "skipped" ? "" : formatSeconds(outcome.seconds);
  return startedAt === undefined ? "" : formatSeconds((now - startedAt) / 1000);
}

/** Running functions first, then ended ones, then waiting ones; drawn in the order of the stack. */
function mostTelling(functions: readonly FunctionState[], count: number): readonly FunctionState[] {
  const rank = (state: FunctionState) => (state.outcome ? 1 : state.startedAt === undefined ? 2 : 0);
  const chosen = new Set(functions.toSorted((a, b) => rank(a) - rank(b)).slice(0, count));
  return functions.filter((state) => chosen.has(state));
}

function drawRest(all: readonly FunctionState[], shown: readonly FunctionState[], window: Window): string {
  const hidden = all.filter((state) => !shown.includes(state));
  const waiting = hidden.filter((state) => !state.outcome && state.startedAt === undefined).length;
  const done = hidden.filter((state) => state.outcome).length;
  const running = hidden.length - waiting - done;
  const counts = [
    [running, "building"],
    [done, "done"],
    [waiting, "waiting"],
  ];
  const words = counts.filter(([count]) => count !== 0).map(([count, word]) => `${count} ${word}`);
  return window.paint.dim(fitText(`… and ${words.join(", ")}`, window.columns - 1));
}
