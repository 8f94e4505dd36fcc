/** Runs work as soon as there is room; in the order in which it was asked for. */
export type Limit = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * Creates a limit on how much runs at once.
 * @param max at least 1; 0 = no limit
 */
export function createLimit(max: number): Limit {
  const waiting: (() => void)[] = [];
  let running = 0;

  return async (work) => {
    if (max > 0 && running >= max) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      // The place is handed over, not given back: nobody who comes now can slip in between.
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
