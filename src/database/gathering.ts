import { BuilderError } from "../errors.ts";

/** What is done together, and how much of it. */
export interface Gathering<Item, Result> {
  /**
   * Does some of it at once, all or nothing.
   * @returns a result for each, in their order
   */
  run(items: readonly Item[]): Promise<readonly Result[]>;
  /** Items with a key in common are done one after the other, in the order in which they came. */
  keysOf(item: Item): readonly string[];
  bytesOf(item: Item): number;
  /** So much is done at once at the most; one item alone may be larger. */
  readonly max: { readonly items: number; readonly bytes: number; readonly runs: number };
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly keys: readonly string[];
  readonly settle: PromiseWithResolvers<Result>;
}

/**
 * Gathers what comes while enough is under way, and does it together: one alone waits for nobody, and of a thousand each
 * costs a fraction. Where doing several fails by a fault in one, each is done by itself, so that a bad item costs the others nothing.
 * @returns does one item
 */
export function createGathering<Item, Result>(gathering: Gathering<Item, Result>): (item: Item) => Promise<Result> {
  const { run, keysOf, max } = gathering;
  let waiting: Waiting<Item, Result>[] = [];
  const busy = new Set<string>();
  let runs = 0;

  const serve = () => {
    while (runs < max.runs) {
      const taken = takeNext(waiting, busy, gathering);
      if (taken.size === 0) return;
      waiting = waiting.filter((each) => !taken.has(each));
      runs += 1;
      void runAll([...taken], run).finally(() => {
        runs -= 1;
        for (const { keys } of taken) for (const key of keys) busy.delete(key);
        serve();
      });
    }
  };

  return (item) => {
    const settle = Promise.withResolvers<Result>();
    waiting.push({ item, keys: keysOf(item), settle });
    serve();
    return settle.promise;
  };
}

/** Takes what may be done now of what waits; its keys are busy from then on. */
function takeNext<Item, Result>(
  waiting: readonly Waiting<Item, Result>[],
  busy: Set<string>,
  { bytesOf, max }: Pick<Gathering<Item, Result>, "bytesOf" | "max">,
): ReadonlySet<Waiting<Item, Result>> {
  const taken = new Set<Waiting<Item, Result>>();
  const passed = new Set<string>();
  let bytes = 0;
  const hasRoom = (size: number) => taken.size === 0 || (taken.size < max.items && bytes + size <= max.bytes);
  const isFree = (key: string) => !busy.has(key) && !passed.has(key);
  for (const each of waiting) {
    const size = bytesOf(each.item);
    const isTaken = hasRoom(size) && each.keys.every(isFree);
    for (const key of each.keys) (isTaken ? busy : passed).add(key);
    if (!isTaken) continue;
    taken.add(each);
    bytes += size;
  }
  return taken;
}

/** Never rejects: who waits for an item hears of its error. */
async function runAll<Item, Result>(
  taken: readonly Waiting<Item, Result>[],
  run: Gathering<Item, Result>["run"],
): Promise<void> {
  try {
    const results = await run(taken.map(({ item }) => item));
    for (const [index, { settle }] of taken.entries()) settle.resolve(results[index] as Result);
  } catch (error) {
    // With the database away one try is enough: each by itself would wait as long again.
    if (taken.length > 1 && !(error instanceof BuilderError)) {
      for (const one of taken) await runAll([one], run);
    } else {
      for (const { settle } of taken) settle.reject(error);
    }
  }
}
