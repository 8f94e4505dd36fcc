import { createLiveBlock } from "./progress-block.ts";
import { drawFrame, drawFunction, roomFor, type Window } from "./progress-frame.ts";
import type { Paint } from "./progress-paint.ts";
import type { FunctionState } from "./progress-state.ts";

/** One way of showing the same state. */
export interface View {
  /** Something changed; the lines say what, for a view that does not draw the state itself. */
  changed(lines: readonly string[]): void;
  /** What came as a change already, for a view that does not tell changes. */
  warned(lines: readonly string[]): void;
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
 * more than the window has rows, those that ended leave the block and stay above it.
 */
export function createLiveView({ write, columns, rows, now, paint, functions }: Live): View {
  const block = createLiveBlock({ write, columns });
  let timer: NodeJS.Timeout | undefined;
  const retired = new Set<FunctionState>();
  const draw = (above: readonly string[] = []) => {
    const window: Window = { columns: columns(), rows: rows(), now: now(), paint };
    const shown = functions().filter((state) => !retired.has(state));
    const leaving = shown.filter(({ outcome }) => outcome).slice(0, Math.max(0, shown.length - roomFor(window)));
    for (const state of leaving) retired.add(state);
    const staying = shown.filter((state) => !retired.has(state));
    block.draw(drawFrame(staying, window), [...above, ...leaving.map((state) => drawFunction(state, window))]);
  };

  return {
    changed() {
      timer ??= setInterval(() => draw(), redrawMs).unref();
    },
    warned: (lines) => {
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
    warned: () => {},
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
