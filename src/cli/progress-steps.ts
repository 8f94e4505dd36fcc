import { fitText, padText, textWidth } from "../model/terminal-text.ts";
import { formatSeconds } from "./progress-numbers.ts";
import type { Paint } from "./progress-paint.ts";
import { begunSteps, type FunctionState, isRunning, type Step, stepSeconds } from "./progress-state.ts";
import { transferTexts } from "./progress-transfer.ts";

/** The window that is drawn for; `now` in milliseconds of our clock. */
export interface Window {
  readonly columns: number;
  readonly rows: number;
  readonly now: number;
  readonly paint: Paint;
}

const spinner = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const frameMs = 100;
/** Lines that a running step printed, of which the last ones are shown. */
const tailShown = 4;
/** Columns of a step's name, or half of what there are, before what it moves may be told at length. */
const nameColumns = 28;
const secondsColumns = "2m 05s".length;

/** The lines that the steps of a function would take now, were there room. */
export function wantedRows(state: FunctionState): number {
  const steps = begunSteps(state);
  return steps.length + steps.reduce((rows, step) => rows + tailOf(step).length, 0);
}

/** All steps of a function whose build has ended, a line each. */
export function endedStepLines(state: FunctionState, window: Window): readonly string[] {
  return begunSteps(state).map((step) => drawStep(step, window, { isOver: true }));
}

/**
 * Draws the steps of a function in exactly `rows` lines: each that runs, with the last lines that it printed, and as
 * many of those that ended as there is room for, the older ones counted in one line.
 * @param folded the number of the last step that was counted so in the frame before: what was folded stays folded
 * @returns the lines, and the number of the last step that is counted in one line now
 */
export function drawSteps(
  state: FunctionState,
  window: Window,
  { rows, folded: before }: { rows: number; folded: number },
): { readonly lines: readonly string[]; readonly folded: number } {
  const steps = begunSteps(state);
  const running = mostTelling(steps.filter(isRunning), rows);
  const tails = shareRows(
    running.map((step) => tailOf(step).length),
    rows - running.length,
  );
  const left = rows - running.length - tails.reduce((sum, count) => sum + count, 0);
  const ended = steps.filter((step) => !isRunning(step));
  const folded = Math.max(before, foldFor(ended, left));
  const kept = ended.filter(({ number }) => number > folded);
  const lines = [
    ...(left > 0 ? drawFolded(ended.slice(0, ended.length - kept.length), window) : []),
    ...steps.flatMap((step) => {
      if (kept.includes(step)) return [drawStep(step, window)];
      const at = running.indexOf(step);
      return at === -1 ? [] : [drawStep(step, window), ...drawTail(step, window, tails[at] ?? 0)];
    }),
  ];
  return { lines: [...lines, ...Array.from({ length: rows - lines.length }, () => "")], folded };
}

/** Deals rows out in turn, so that each gets something before one gets everything. */
export function shareRows(wanted: readonly number[], rows: number): readonly number[] {
  const dealt = wanted.map(() => 0);
  let left = Math.min(
    rows,
    wanted.reduce((sum, want) => sum + want, 0),
  );
  for (let at = 0; left > 0; at = (at + 1) % wanted.length) {
    const given = dealt[at] ?? 0;
    if (given >= (wanted[at] ?? 0)) continue;
    dealt[at] = given + 1;
    left -= 1;
  }
  return dealt;
}

/** The mark of what runs, which turns. */
export function runningMark({ now, paint }: Window): string {
  return paint.cyan(spinner[Math.floor(now / frameMs) % spinner.length] ?? "");
}

/** Digests as Docker shortens them. */
export function shortenDigests(text: string): string {
  return text.replaceAll(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/g, "$1");
}

/** BuildKit's own chores give way to the steps of the Dockerfile, older ones to newer ones. */
function mostTelling(running: readonly Step[], count: number): readonly Step[] {
  const rank = ({ name }: Step) => (name.startsWith("[internal]") ? 1 : 0);
  const chosen = new Set(running.toSorted((a, b) => rank(a) - rank(b) || b.number - a.number).slice(0, count));
  return running.filter((step) => chosen.has(step));
}

/** The number of the last step to fold so that those that ended take so many lines, the one that counts them included. */
function foldFor(ended: readonly Step[], rows: number): number {
  if (ended.length <= rows) return 0;
  return ended[ended.length - Math.max(1, rows)]?.number ?? 0;
}

function drawFolded(steps: readonly Step[], { columns, paint }: Window): readonly string[] {
  if (steps.length === 0) return [];
  const cached = steps.filter((step) => step.cached).length;
  const text = `${steps.length} steps before${cached > 0 ? `, ${cached} of them cached` : ""}`;
  return [paint.dim(fitText(`  ✔ ${text}`, columns - 1))];
}

/** Mark, name, what it moves as far as there is room, seconds. */
function drawStep(step: Step, window: Window, { isOver = false } = {}): string {
  const { columns, now, paint } = window;
  const name = shortenDigests(step.name);
  const end = endOf(step, now);
  const room = columns - 1 - "  ⠋ ".length - "  ".length - textWidth(end);
  if (room <= 0) return fitText(`  ${name}`, columns - 1);
  const runs = isRunning(step) && !isOver;
  const moved = runs
    ? fittingTransfer(step, now, room - Math.min(textWidth(name), nameColumns, Math.floor(room / 2)))
    : "";
  const text = padText(name, room - textWidth(moved));
  const mark = runs ? runningMark(window) : endedMark(step, paint);
  return `  ${mark} ${runs ? text : paint.dim(text)}${paintBar(moved, paint)}  ${paint.dim(end)}`;
}

function endOf(step: Step, now: number): string {
  const seconds = stepSeconds(step, now);
  const took = formatSeconds(seconds).padStart(secondsColumns);
  if (step.error !== "" && isCancelled(step)) return "cancelled";
  if (!step.cached) return took;
  return seconds < 0.05 ? "CACHED" : `CACHED  ${took}`;
}

function endedMark(step: Step, paint: Paint): string {
  if (isRunning(step) || isCancelled(step)) return paint.dim("–");
  return step.error === "" ? paint.green("✔") : paint.red("✖");
}

function isCancelled({ error }: Step): boolean {
  return error.includes("context canceled");
}

function fittingTransfer(step: Step, now: number, columns: number): string {
  const text = transferTexts(step, now).find((candidate) => candidate.length + 2 <= columns);
  return text === undefined ? "" : `  ${text}`;
}

function paintBar(text: string, paint: Paint): string {
  return text.replace(/█+/, paint.cyan);
}

/** The last lines that a running step printed, in exactly `rows` lines. */
export function drawTail(step: Step | undefined, { columns, paint }: Window, rows: number): readonly string[] {
  const lines = rows > 0 ? tailOf(step).slice(-rows) : [];
  const drawn = lines.map((line) => paint.dim(fitText(`    │ ${line}`, columns - 1)));
  return [...drawn, ...Array.from({ length: rows - lines.length }, () => "")];
}

/** The last lines of a running step, the ones begun and not ended yet included. */
export function tailOf(step: Step | undefined): readonly string[] {
  if (!step || !isRunning(step)) return [];
  const begun = [...step.streams.values()].map((joiner) => joiner.unfinished());
  return [...step.tail.slice(-tailShown), ...begun].filter((line) => line.trim() !== "").slice(-tailShown);
}
