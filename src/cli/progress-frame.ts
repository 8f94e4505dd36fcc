import { fitText, padText, textWidth } from "../model/terminal-text.ts";
import { formatBytes, formatSeconds } from "./progress-numbers.ts";
import type { Paint } from "./progress-paint.ts";
import { outcomeMark, outcomeText } from "./progress-report.ts";
import { currentStep, type FunctionState, isRunning, type Step } from "./progress-state.ts";

/** The window that a frame is drawn for; `now` in milliseconds of our clock. */
export interface Window {
  readonly columns: number;
  readonly rows: number;
  readonly now: number;
  readonly paint: Paint;
}

const spinner = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const frameMs = 100;
const tailShown = 3;
const nameColumns = 32;

/**
 * Draws the block of functions as it is to stand on the terminal now: a line each, below a running one the last lines
 * that its step printed, where there is room. What does not fit is counted in a last line.
 * @returns at most `rows - 1` lines of at most `columns - 1` columns: a full last column or row would scroll
 */
export function drawFrame(functions: readonly FunctionState[], window: Window): readonly string[] {
  const room = roomFor(window);
  const fits = functions.length <= room;
  const shown = fits ? functions : mostTelling(functions, room - 1);
  const names = Math.min(nameColumns, Math.max(0, ...functions.map(({ name }) => textWidth(name))));
  const spare = shareTails(shown, fits ? room - functions.length : 0);
  const lines = shown.flatMap((state) => [
    drawFunction(state, window, names),
    ...drawTail(state, spare.get(state) ?? 0, window),
  ]);
  return fits ? lines : [...lines, drawRest(functions, shown, window)];
}

/** The lines that a block may have: one row is left to the cursor, which stands below it. */
export function roomFor({ rows }: Pick<Window, "rows">): number {
  return Math.max(1, rows - 1);
}

/** The line of one function: mark, name in `names` columns, what it does, how much was cached, seconds. */
export function drawFunction(
  state: FunctionState,
  { columns, now, paint }: Window,
  names = textWidth(state.name),
): string {
  const seconds = secondsOf(state, now);
  const cached = state.outcome ? 0 : [...state.steps.values()].filter((step) => step.cached).length;
  const right = [cached > 0 ? `${cached} cached` : "", seconds].filter((word) => word !== "").join("  ");
  const middle = columns - 1 - 2 - names - 2 - (right === "" ? 0 : right.length + 2);
  const text = middle > 0 ? padText(shorten(describe(state)), middle) : "";
  const painted = state.startedAt === undefined || state.outcome ? paint.dim(text) : text;
  const line = `${paint.bold(padText(state.name, names))}  ${painted}${right === "" ? "" : `  ${paint.dim(right)}`}`;
  return middle > 0 ? `${markOf(state, now, paint)} ${line}` : fitText(`${state.name} ${seconds}`, columns - 1);
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

/** Digests as Docker shortens them; the summary has them whole. */
function shorten(text: string): string {
  return text.replaceAll(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/g, "$1");
}

function markOf(state: FunctionState, now: number, paint: Paint): string {
  if (state.outcome) return outcomeMark(state.outcome, paint);
  if (state.startedAt === undefined) return paint.dim("·");
  return paint.cyan(spinner[Math.floor(now / frameMs) % spinner.length] ?? "");
}

function secondsOf({ outcome, startedAt }: FunctionState, now: number): string {
  if (outcome) return outcome.state === "skipped" ? "" : formatSeconds(outcome.seconds);
  return startedAt === undefined ? "" : formatSeconds((now - startedAt) / 1000);
}

/** What BuildKit calls its transfers, and the word for people. */
const transferWords: readonly (readonly [RegExp, string])[] = [
  [/^transferring (\S+?):?$/, "uploading $1"],
  [/^extracting sha256:.*$/, "extracting"],
  [/^pushing sha256:.*$/, "pushing"],
  [/^sha256:.*$/, "downloading"],
  [/^(exporting \S+|pushing manifest|resolve) .*$/, "$1"],
];

/** The bytes that a step moves: those under way of one kind added up, or the name of what it does. */
function transferText({ transfers }: Step): string {
  const all = [...transfers.values()].map((transfer) => ({ ...transfer, word: wordOf(transfer.id) }));
  const word = all.at(-1)?.word ?? "";
  const alike = all.filter((transfer) => transfer.word === word);
  const current = alike.reduce((sum, transfer) => sum + transfer.current, 0);
  const total = alike.reduce((sum, transfer) => sum + transfer.total, 0);
  if (current <= 0 && total <= 0) return word;
  return total > current
    ? `${word} ${formatBytes(current)} / ${formatBytes(total)}`
    : `${word} ${formatBytes(current)}`;
}

function wordOf(id: string): string {
  const known = transferWords.find(([pattern]) => pattern.test(id));
  return known ? id.replace(known[0], known[1]) : id;
}

/** Deals the spare lines out in turn, so that each running step shows something before one shows everything. */
function shareTails(functions: readonly FunctionState[], spare: number): ReadonlyMap<FunctionState, number> {
  const dealt = new Map<FunctionState, number>();
  let left = spare;
  for (let round = 1; round <= tailShown; round += 1) {
    for (const state of functions) {
      if (left === 0 || tailOf(state).length < round) continue;
      dealt.set(state, round);
      left -= 1;
    }
  }
  return dealt;
}

function drawTail(state: FunctionState, count: number, { columns, paint }: Window): readonly string[] {
  if (count === 0) return [];
  return tailOf(state)
    .slice(-count)
    .map((line) => paint.dim(fitText(`  │ ${line}`, columns - 1)));
}

/** The last lines of the running step, the one begun and not ended yet included. */
function tailOf(state: FunctionState): readonly string[] {
  const step = state.outcome ? undefined : currentStep(state);
  if (!step || !isRunning(step)) return [];
  const begun = [...step.streams.values()].map((joiner) => joiner.unfinished());
  return [...step.tail.slice(-tailShown), ...begun].filter((line) => line.trim() !== "").slice(-tailShown);
}

/** Running functions first, then ended ones, then waiting ones; drawn in the order of the stack. */
function mostTelling(functions: readonly FunctionState[], count: number): readonly FunctionState[] {
  const rank = (state: FunctionState) => (state.outcome ? 1 : state.startedAt === undefined ? 2 : 0);
  const chosen = new Set(functions.toSorted((a, b) => rank(a) - rank(b)).slice(0, count));
  return functions.filter((state) => chosen.has(state));
}

function drawRest(all: readonly FunctionState[], shown: readonly FunctionState[], { columns, paint }: Window): string {
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
  return paint.dim(fitText(`… and ${words.join(", ")}`, columns - 1));
}
