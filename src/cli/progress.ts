import type { BuildEvent } from "../model/build-event.ts";
import type { Outcome } from "../model/outcome.ts";
import { cleanLine } from "../model/terminal-text.ts";
import { formatSeconds } from "./progress-numbers.ts";
import { createPaint } from "./progress-paint.ts";
import { drawPlain } from "./progress-plain.ts";
import { failureLines, outcomeText, summaryLines } from "./progress-report.ts";
import { applyEvent, createFunctionState, endLines, type FunctionState } from "./progress-state.ts";
import { createLiveView, createPlainView, createQuietView, type View } from "./progress-view.ts";

/** What a person sees while functions build. */
export interface Progress {
  begin(functions: readonly { name: string; image: string }[]): void;
  started(name: string): void;
  event(name: string, event: BuildEvent): void;
  finished(outcome: Outcome): void;
  /** Tells a line of the story itself, such as "trying again in 2 s". */
  note(text: string): void;
  /** Leaves the summary, and the terminal as it was found. Later calls do nothing. */
  close(): void;
}

export interface ProgressOptions {
  write(text: string): void;
  /** The output is a terminal, whose lines may be redrawn. */
  readonly live: boolean;
  columns(): number;
  rows(): number;
  readonly color: boolean;
  /** Milliseconds of a clock. */
  now?(): number;
  /** Only notes, failures and the summary. */
  readonly quiet?: boolean;
}

/**
 * Creates the progress of a command: a block of functions redrawn in place on a terminal, a line per change elsewhere.
 * Whatever a build prints stays harmless text. Live, it owns a timer from `begin` to `close`.
 */
export function createProgress(options: ProgressOptions): Progress {
  const now = options.now ?? Date.now;
  const paint = createPaint(options.color);
  const functions = new Map<string, FunctionState>();
  const view = createView({ ...options, now, paint, functions: () => [...functions.values()] });
  const page = () => ({ paint, columns: options.live && !options.quiet ? options.columns() : Infinity });
  const beganAt = now();
  let hasBegun = false;
  let closed = false;

  const stateOf = (name: string, image = "") => {
    const state = functions.get(name) ?? createFunctionState(name, image);
    functions.set(name, state);
    return state;
  };

  /** A late event of a build that was cancelled must not draw over what came after. */
  const whileOpen =
    <Given extends unknown[]>(act: (...given: Given) => void) =>
    (...given: Given) => {
      if (!closed) act(...given);
    };

  return {
    begin: whileOpen((planned) => {
      hasBegun = true;
      for (const { name, image } of planned) stateOf(name, image);
      view.changed([]);
    }),
    started: whileOpen((name) => {
      const state = stateOf(name);
      state.startedAt ??= now();
      view.changed([`${state.name} | building ${state.image}`.trimEnd()]);
    }),
    event: whileOpen((name, event) => {
      const state = stateOf(name);
      if (!state.outcome) view.changed(drawPlain(state, applyEvent(state, event, now())));
    }),
    finished: whileOpen((outcome) => {
      const state = stateOf(outcome.function);
      view.changed([...drawPlain(state, endLines(state)), `${state.name} | ${ending(outcome)}`]);
      state.outcome = outcome;
      view.ended(state);
      if ("reason" in outcome && outcome.state !== "skipped") view.tell(failureLines(state, outcome, page()));
      state.steps.clear();
    }),
    note: whileOpen((text) => view.tell([paint.yellow(cleanLine(text))])),
    close: whileOpen(() => {
      closed = true;
      const seconds = (now() - beganAt) / 1000;
      // What kept everything from beginning is told by an error.
      view.close(hasBegun ? summaryLines([...functions.values()], { seconds, ...page() }) : []);
    }),
  };
}

function createView(given: Parameters<typeof createLiveView>[0] & Pick<ProgressOptions, "live" | "quiet">): View {
  if (given.quiet) return createQuietView(given.write);
  return given.live ? createLiveView(given) : createPlainView(given.write);
}

function ending(outcome: Outcome): string {
  const text = outcomeText(outcome);
  if (outcome.state === "skipped") return text;
  if (outcome.state === "unchanged") return `${text} ${formatSeconds(outcome.seconds)}`;
  const how = outcome.state === "built" ? "built" : "failed:";
  return `${how} ${text} ${formatSeconds(outcome.seconds)}`;
}
