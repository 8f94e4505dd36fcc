/** Gives out places so that no single address can take all of them. */
export interface AddressLimit {
  /** @returns a place to give back; undefined where the address, or everyone together, has enough */
  take(address: string | undefined): Disposable | undefined;
  /**
   * Waits for a place; places go in the order in which they were asked for, past addresses that have enough.
   * @returns undefined where none came free within `limitMs`, or as many wait already as may
   * @throws the signal's reason
   */
  enter(
    address: string | undefined,
    options: { limitMs: number; signal: AbortSignal },
  ): Promise<Disposable | undefined>;
}

interface Waiter {
  readonly network: string;
  /** Gets the place that has come free. */
  readonly give: (place: Disposable) => void;
}

/** So many may wait for each place. */
const waitersEach = 8;

/**
 * Creates a limit. One address may have half of the places: behind a proxy everyone comes from one, and elsewhere the
 * other half is left while someone holds on to all that can be had.
 * @param max at least 1
 */
export function createAddressLimit(max: number): AddressLimit {
  const maxEach = Math.ceil(max / 2);
  const held = new Map<string, number>();
  const waiters = new Set<Waiter>();
  let all = 0;

  const takeFor = (network: string): Disposable | undefined => {
    const own = held.get(network) ?? 0;
    if (all >= max || own >= maxEach) return undefined;
    held.set(network, own + 1);
    all += 1;
    return { [Symbol.dispose]: once(() => giveBack(network)) };
  };
  const giveBack = (network: string) => {
    all -= 1;
    const left = (held.get(network) ?? 1) - 1;
    if (left === 0) held.delete(network);
    else held.set(network, left);
    passOn();
  };
  /** One place has come free: at most one waiter can have it. */
  const passOn = () => {
    for (const waiter of waiters) {
      const place = takeFor(waiter.network);
      if (!place) continue;
      waiters.delete(waiter);
      return waiter.give(place);
    }
  };

  return {
    take: (address = "") => takeFor(networkOf(address)),
    async enter(address = "", { limitMs, signal }) {
      signal.throwIfAborted();
      const network = networkOf(address);
      const place = takeFor(network);
      if (place || waiters.size >= max * waitersEach) return place;
      const { promise, resolve, reject } = Promise.withResolvers<Disposable | undefined>();
      const waiter: Waiter = { network, give: resolve };
      // Who has stopped waiting must not be given a place that nobody would give back.
      const leave = (settle: () => void) => () => {
        waiters.delete(waiter);
        settle();
      };
      const onAbort = leave(() => reject(signal.reason));
      const late = setTimeout(
        leave(() => resolve(undefined)),
        limitMs,
      );
      signal.addEventListener("abort", onAbort, { once: true });
      waiters.add(waiter);
      try {
        return await promise;
      } finally {
        clearTimeout(late);
        signal.removeEventListener("abort", onAbort);
      }
    },
  };
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}

/** Whoever has an address of IPv6 has the 2^64 beside it, too. */
function networkOf(address: string): string {
  if (address.includes(".") || !address.includes(":")) return address;
  const [front = "", back = ""] = address.split("::");
  const before = front.split(":").filter(Boolean);
  const after = back.split(":").filter(Boolean);
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => "0");
  return [...before, ...zeros, ...after].slice(0, 4).join(":");
}
