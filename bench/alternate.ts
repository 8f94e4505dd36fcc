/** One measured value, told honestly: the middle, and how far the runs lay apart. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Comparison {
  readonly ours: Spread;
  readonly peer: Spread;
  /** Our median ÷ the peer's. */
  readonly ratio: number;
}

/** What each side gave, in the order of the rounds. */
export type Samples<T> = Readonly<Record<"ours" | "peer", readonly T[]>>;

/**
 * Runs ours and the peer in turn, so that whatever the machine does meanwhile meets both alike: one warm-up of each,
 * then A B, B A, A B … as many rounds as asked. The order turns because the second of a pair finds the machine warmer.
 * @param measure one run, given its number; it answers what it measured and must not measure its own preparations
 */
export async function takeTurns<T>(
  rounds: number,
  measure: Readonly<Record<"ours" | "peer", (run: number) => Promise<T>>>,
): Promise<Samples<T>> {
  const values = { ours: [] as T[], peer: [] as T[] };
  await measure.ours(0);
  await measure.peer(0);
  for (let round = 1; round <= rounds; round += 1) {
    const order = round % 2 === 1 ? (["ours", "peer"] as const) : (["peer", "ours"] as const);
    for (const side of order) values[side].push(await measure[side](round));
  }
  return values;
}

/** Takes turns and compares the one number that each run gives. */
export async function alternate(
  rounds: number,
  measure: Readonly<Record<"ours" | "peer", (run: number) => Promise<number>>>,
): Promise<Comparison> {
  return compare(await takeTurns(rounds, measure));
}

/** Compares the numbers of two sides by their medians. */
export function compare(samples: Samples<number>): Comparison {
  const [ours, peer] = [spreadOf(samples.ours), spreadOf(samples.peer)];
  return { ours, peer, ratio: ours.median / peer.median };
}

/** The middle and the ends of some values. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  const middle = sorted.slice(Math.ceil(half) - 1, Math.floor(half) + 1);
  const median = middle.reduce((sum, value) => sum + value, 0) / middle.length;
  return { median, min: sorted.at(0) ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}
