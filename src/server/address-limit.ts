/** Gives out places so that no single address can take all of them. */
export interface AddressLimit {
  /** @returns a place to give back; undefined where the address, or everyone together, has enough */
  take(address: string | undefined): Disposable | undefined;
}

/**
 * Creates a limit. One address may have half of the places: behind a proxy everyone comes from one, and elsewhere the
 * other half is left while someone holds on to all that can be had.
 * @param max at least 1
 */
export function createAddressLimit(max: number): AddressLimit {
  const maxEach = Math.ceil(max / 2);
  const held = new Map<string, number>();
  let all = 0;
  return {
    take(address = "") {
      const network = networkOf(address);
      const own = held.get(network) ?? 0;
      if (all >= max || own >= maxEach) return undefined;
      held.set(network, own + 1);
      all += 1;
      return { [Symbol.dispose]: once(() => giveBack(network)) };
    },
  };

  function giveBack(network: string): void {
    all -= 1;
    const left = (held.get(network) ?? 1) - 1;
    if (left === 0) held.delete(network);
    else held.set(network, left);
  }
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
