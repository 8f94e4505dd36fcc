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

/**
 * Runs ours and the peer in turn, so that whatever the machine does meanwhile meets both alike: one warm-up of each,
 * then A B, B A, A B … as many rounds as asked. The order turns because the second of a pair finds the machine warmer.
 * @param measure one run, given its number; it answers what it measured and must not measure its own preparations
 */
export async function alternate(
  rounds: number,
  measure: Readonly<Record<"ours" | "peer", (run: number) => Promise<number>>>,
): Promise<Comparison> {
  const values = { ours: [] as number[], peer: [] as number[] };
  await measure.ours(0);
  await measure.peer(0);
  for (let round = 1; round <= rounds; round += 1) {
    const order = round % 2 === 1 ? (["ours", "peer"] as const) : (["peer", "ours"] as const);
    for (const side of order) values[side].push(await measure[side](round));
  }
  const [ours, peer] = [spreadOf(values.ours), spreadOf(values.peer)];
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
