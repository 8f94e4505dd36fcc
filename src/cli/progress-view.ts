import { createLiveBlock } from "./progress-block.ts";
import { createFrame, drawFunction, functionRoom } from "./progress-frame.ts";
import type { Paint } from "./progress-paint.ts";
import { warnedLines } from "./progress-report.ts";
import type { FunctionState } from "./progress-state.ts";
import { endedStepLines, type Window } from "./progress-steps.ts";

/** One way of showing the same state. */
export interface View {
  /** Something changed; the lines say what, for a view that does not draw the state itself. */
  changed(lines: readonly string[]): void;
  /** A function has ended: what came as changes, for a view that does not tell them. Its steps are forgotten then. */
  ended(state: FunctionState): void;
  /** Tells lines that stay for good. */
  tell(lines: readonly string[]): void;
  /** Shows the summary as the last thing. */
  close(summary: readonly string[]): void;
}

interface Live {
  write(text: string): void;
  columns(): number;
  rows(): number;
  now(): number;
  readonly paint: Paint;
  functions(): readonly FunctionState[];
}

const redrawMs = 100;

/**
 * Shows functions as a block that is redrawn in place ten times a second, whatever happens in between. Where they are
 * more than the window has room for, those that ended leave the block and stay above it. The steps of a function that is
 * alone stay as well.
 */
export function createLiveView({ write, columns, rows, now, paint, functions }: Live): View {
  const block = createLiveBlock({ write, columns });
  const frame = createFrame();
  let timer: NodeJS.Timeout | undefined;
  const retired = new Set<FunctionState>();
  const currentWindow = (): Window => ({ columns: columns(), rows: rows(), now: now(), paint });
  const draw = (above: readonly string[] = []) => {
    const window = currentWindow();
    const shown = functions().filter((state) => !retired.has(state));
    const leaving = shown
      .filter(({ outcome }) => outcome)
      .slice(0, Math.max(0, shown.length - functionRoom(shown, window)));
    for (const state of leaving) retired.add(state);
    const staying = shown.filter((state) => !retired.has(state));
    block.draw(frame(staying, window), [...above, ...leaving.map((state) => drawFunction(state, window))]);
  };

  return {
    changed() {
      timer ??= setInterval(() => draw(), redrawMs).unref();
    },
    ended(state) {
      const steps = functions().length === 1 ? endedStepLines(state, currentWindow()) : [];
      const lines = [...steps, ...warnedLines(state, paint)];
      if (lines.length > 0) draw(lines);
    },
    tell: (lines) => draw(lines),
    close(summary) {
      clearInterval(timer);
      block.draw([], summary);
      block.close();
    },
  };
}

/** Shows every change as a line. What comes in one turn is written at once: many functions have many lines. */
export function createPlainView(write: (text: string) => void): View {
  let waiting: string[] = [];
  let flushing: NodeJS.Immediate | undefined;
  const flush = () => {
    clearImmediate(flushing);
    flushing = undefined;
    if (waiting.length > 0) write(`${waiting.join("\n")}\n`);
    waiting = [];
  };
  const tell = (lines: readonly string[]) => {
    waiting.push(...lines);
    flushing ??= setImmediate(flush);
  };
  return {
    changed: tell,
    ended: () => {},
    tell,
    close(summary) {
      waiting.push(...summary);
      flush();
    },
  };
}

/** Shows only what went wrong, and the summary. */
export function createQuietView(write: (text: string) => void): View {
  return { ...createPlainView(write), changed: () => {} };
}
