import { BuilderError } from "../errors.ts";

/** Bounds of one build. No bound where a field is absent. */
export interface BuildLimits {
  readonly timeMs?: number;
  /** How long a build may tell nothing at all. */
  readonly idleMs?: number;
  /** What its steps may print; of the rest only the end of each step is told. */
  readonly logBytes?: number;
}

/** The clocks of one running build. */
export interface LimitWatch extends Disposable {
  /** Aborts with a BuilderError `limit_exceeded` when a time is over. */
  readonly signal: AbortSignal;
  /** Notes that the build has told something. */
  touch(): void;
}

/** Starts the clocks; disposing of them stops them. */
export function watchLimits({ timeMs, idleMs }: BuildLimits): LimitWatch {
  const over = new AbortController();
  const end = (message: string) => over.abort(new BuilderError("limit_exceeded", message));
  const time = start(timeMs, (limit) => end(`the build took longer than ${seconds(limit)}`));
  const idle = start(idleMs, (limit) => end(`the build told nothing for ${seconds(limit)}`));
  return {
    signal: over.signal,
    touch: () => void idle?.refresh(),
    [Symbol.dispose]() {
      clearTimeout(time);
      clearTimeout(idle);
    },
  };
}

function start(limitMs: number | undefined, end: (limitMs: number) => void): NodeJS.Timeout | undefined {
  return limitMs === undefined ? undefined : setTimeout(() => end(limitMs), limitMs);
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}
