import { BuilderError } from "../errors.ts";
import type { Steps } from "./steps.ts";
import { within } from "./time-limit.ts";

/** How long to wait before each further attempt, in milliseconds; as many attempts as waits, and the first. */
export type Backoff = readonly number[];

/** Doubling waits with a ceiling of one minute. */
export function backoffOf({ firstMs, attempts }: { firstMs: number; attempts: number }): Backoff {
  return Array.from({ length: attempts }, (_, attempt) => Math.min(firstMs * 2 ** attempt, 60_000));
}

/** Whoever is asked may want to be left alone for longer than we would wait, but not for ever. */
const maxAskedMs = 10 * 60 * 1000;

/**
 * Runs a step, and runs it again after a wait while it fails for a reason that may pass by itself; no sooner than the
 * error says.
 * @param onWait told before each wait: people shall see why nothing happens
 * @throws the last attempt's error, or the first that is not transient
 */
export async function retrying<T>(
  steps: Steps,
  {
    name,
    backoff,
    limitMs = 0,
    onWait,
  }: {
    name: string;
    backoff: Backoff;
    /** Of each attempt; 0 = none. */
    limitMs?: number;
    onWait?(error: BuilderError, waitMs: number, attempt: number): Promise<void>;
  },
  work: (options: { signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const limited = ({ signal }: { signal: AbortSignal }) => within({ limitMs, what: `"${name}"`, signal }, work);
  for (let attempt = 1; ; attempt++) {
    try {
      return await steps.step(attempt === 1 ? name : `${name} (attempt ${attempt})`, limited);
    } catch (error) {
      const ownMs = backoff[attempt - 1];
      if (!(error instanceof BuilderError) || !error.transient || ownMs === undefined) throw error;
      const waitMs = Math.max(ownMs, Math.min(error.retryAfterMs, maxAskedMs));
      await onWait?.(error, waitMs, attempt);
      await steps.sleep(waitMs);
    }
  }
}
