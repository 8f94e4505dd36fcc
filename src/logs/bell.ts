/** What wakes one sleeper: a ring while nobody sleeps is heard by the next sleep. */
export interface Bell extends Disposable {
  ring(): void;
  /** Returns at a ring, when the signal aborts, or after `limitMs`. */
  sleep(limitMs: number): Promise<void>;
}

/** Creates a bell, which the signal rings as well. */
export function createBell(signal: AbortSignal): Bell {
  let isRung = signal.aborted;
  let wake = () => {};
  const ring = () => {
    isRung = true;
    wake();
  };
  signal.addEventListener("abort", ring);
  return {
    ring,
    async sleep(limitMs) {
      if (!isRung) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const limit = setTimeout(resolve, limitMs);
        await promise;
        clearTimeout(limit);
      }
      isRung = signal.aborted;
    },
    [Symbol.dispose]: () => signal.removeEventListener("abort", ring),
  };
}
