import { setTimeout as sleep } from "node:timers/promises";

/** Keys whose turn has long passed are forgotten from this many on. */
const maxKeys = 1000;

/** Waits until the next write under a key is due. */
export type Pace = (key: string, options: { signal: AbortSignal }) => Promise<void>;

/**
 * Creates a pace: `burst` turns at once, then one every `everyMs`. GitHub asks for at most 80 writes a minute by one
 * installation and blocks who writes more; 40 at once and 40 a minute hold to that in every minute.
 * @param now Unix milliseconds; of a steady clock in tests
 */
export function createPace({
  burst = 40,
  everyMs = 1500,
  now = Date.now,
}: {
  burst?: number;
  everyMs?: number;
  now?: () => number;
} = {}): Pace {
  const busyUntil = new Map<string, number>();
  return async (key, { signal }) => {
    signal.throwIfAborted();
    const time = now();
    if (busyUntil.size >= maxKeys) forgetPast(busyUntil, time);
    const until = Math.max(busyUntil.get(key) ?? 0, time) + everyMs;
    busyUntil.set(key, until);
    const waitMs = until - time - burst * everyMs;
    if (waitMs > 0) await sleep(waitMs, undefined, { signal });
  };
}

function forgetPast(busyUntil: Map<string, number>, time: number): void {
  for (const [key, until] of busyUntil) if (until <= time) busyUntil.delete(key);
}
