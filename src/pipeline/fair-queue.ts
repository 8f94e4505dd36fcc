import { BuilderError } from "../errors.ts";

/** A place to work in, to be given back. */
export type Place = Disposable;

export interface Waiting {
  /** Whose turn it is goes round among keys, however much one of them asks for. */
  readonly key: string;
  readonly signal: AbortSignal;
  /** Hears how many are before this one, whenever that changes. */
  readonly onPlace?: (before: number) => void;
}

/** Lets so many work at once; others wait for their turn. */
export interface FairQueue {
  /**
   * Waits for a place.
   * @throws BuilderError `too_busy` where too many wait already; the signal's reason when it aborts before
   */
  enter(waiting: Waiting): Promise<Place>;
  /** Waits for a place like everyone, but is never refused: for work that was promised already. */
  enterSurely(waiting: Waiting): Promise<Place>;
  /** True where `enter` would refuse. */
  readonly isFull: boolean;
}

/** Runs work as soon as it has a place; whose turn it is goes round among keys. */
export type FairLimit = <T>(work: () => Promise<T>, waiting: Waiting) => Promise<T>;

/** Makes a limit of a queue, for work that is never refused. */
export function limitOf(queue: FairQueue): FairLimit {
  return async (work, waiting) => {
    using _place = await queue.enterSurely(waiting);
    return await work();
  };
}

interface Waiter {
  readonly key: string;
  readonly onPlace: Waiting["onPlace"];
  readonly take: () => void;
  told: number;
}

/**
 * Creates a queue.
 * @param maxRunning at least 1; 0 = no limit
 * @param maxWaiting 0 = nobody waits
 */
export function createFairQueue({ maxRunning, maxWaiting }: { maxRunning: number; maxWaiting: number }): FairQueue {
  // The first key of the map is the next one to get a place, and goes to the end then.
  const waiters = new Map<string, Waiter[]>();
  let running = 0;
  const isBusy = () => maxRunning > 0 && running >= maxRunning;
  const count = () => [...waiters.values()].reduce((sum, { length }) => sum + length, 0);
  const isFull = () => isBusy() && count() >= maxWaiting;

  const place = (): Place => {
    let isHeld = true;
    return {
      [Symbol.dispose]() {
        if (!isHeld) return;
        isHeld = false;
        // A place is handed over, not given back: nobody who comes now can slip in between.
        const next = shiftNext(waiters);
        if (next) next.take();
        else running -= 1;
        tellPlaces(waiters);
      },
    };
  };

  const enterSurely = async ({ key, signal, onPlace }: Waiting): Promise<Place> => {
    signal.throwIfAborted();
    if (!isBusy()) {
      running += 1;
      return place();
    }
    await new Promise<void>((resolve, reject) => {
      const waiter = { key, onPlace, take, told: -1 };
      const leave = () => {
        remove(waiters, waiter);
        tellPlaces(waiters);
        reject(signal.reason);
      };
      function take() {
        signal.removeEventListener("abort", leave);
        resolve();
      }
      signal.addEventListener("abort", leave, { once: true });
      waiters.set(key, [...(waiters.get(key) ?? []), waiter]);
      tellPlaces(waiters);
    });
    return place();
  };

  return {
    get isFull() {
      return isFull();
    },
    enterSurely,
    async enter(waiting) {
      if (isFull()) {
        throw new BuilderError(
          "too_busy",
          `${running} builds run and ${count()} wait: no more are taken at the moment`,
        );
      }
      return enterSurely(waiting);
    },
  };
}

function shiftNext(waiters: Map<string, Waiter[]>): Waiter | undefined {
  for (const [key, [first, ...rest]] of waiters) {
    waiters.delete(key);
    if (rest.length > 0) waiters.set(key, rest);
    return first;
  }
  return undefined;
}

function remove(waiters: Map<string, Waiter[]>, waiter: Waiter): void {
  const left = (waiters.get(waiter.key) ?? []).filter((other) => other !== waiter);
  if (left.length > 0) waiters.set(waiter.key, left);
  else waiters.delete(waiter.key);
}

/** In the order in which places will be handed out: one of each key in each round. */
function tellPlaces(waiters: ReadonlyMap<string, readonly Waiter[]>): void {
  const queues = [...waiters.values()];
  let before = 0;
  for (let round = 0; queues.some(({ length }) => length > round); round++) {
    for (const queue of queues) {
      const waiter = queue[round];
      if (waiter) tell(waiter, before++);
    }
  }
}

function tell(waiter: Waiter, before: number): void {
  if (waiter.told === before) return;
  waiter.told = before;
  waiter.onPlace?.(before);
}
