import { setTimeout as wait } from "node:timers/promises";

/**
 * Does some work now and, for ever, so long after it has ended. What it throws is told, and it is done again.
 * @returns what ends that, and waits for the work that is under way
 */
export function runEvery(
  intervalMs: number,
  work: (options: { signal: AbortSignal }) => Promise<void>,
  onFault: (error: unknown) => void,
): AsyncDisposable {
  const ended = new AbortController();
  const { signal } = ended;
  const loop = async () => {
    while (!signal.aborted) {
      await work({ signal }).catch((error: unknown) => signal.aborted || onFault(error));
      await wait(intervalMs, undefined, { signal }).catch(() => {});
    }
  };
  const looping = loop();
  return {
    async [Symbol.asyncDispose]() {
      ended.abort();
      await looping;
    },
  };
}
