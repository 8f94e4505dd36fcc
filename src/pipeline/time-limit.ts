import { BuilderError } from "../errors.ts";

/**
 * Runs work that has to end within a time.
 * @param limitMs 0 = no limit
 * @throws BuilderError `limit_exceeded` once the time is over; the work is not waited for then
 */
export async function within<T>(
  { limitMs, what, signal }: { limitMs: number; what: string; signal: AbortSignal },
  work: (options: { signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  if (limitMs === 0) return work({ signal });
  const over = new AbortController();
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new BuilderError("limit_exceeded", `${what} took longer than ${limitMs / 1000} s`, {
      fix: "Start it again; where it honestly takes that long, have step_time_limit raised.",
    });
    over.abort(error);
    reject(error);
  }, limitMs);
  try {
    return await Promise.race([promise, work({ signal: AbortSignal.any([signal, over.signal]) })]);
  } finally {
    clearTimeout(timer);
  }
}
