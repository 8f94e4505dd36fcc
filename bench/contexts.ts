import { alternate } from "./alternate.ts";
import { ensureBuildx } from "./buildx.ts";
import { measureHash } from "./contexts-hash.ts";
import { measureMonorepo } from "./contexts-monorepo.ts";
import { measureOne } from "./push.ts";
import { type Builder, createPushStack, type PushStack } from "./push-stack.ts";
import { type RealParts, startRealParts } from "./real-parts.ts";
import { type Bench, createRow, type Row } from "./result.ts";

const rounds = 9;
/** Largest ratios, by peer: what a person could do by hand, and what most people would pick. */
const peers = [
  { side: "peer", name: "20 buildctl", bars: { cold: 0.95, warm: 0.25 } },
  { side: "bake", name: "buildx bake", bars: { cold: 0.7, warm: 0.25 } },
] as const;

/** What knowing the content of contexts is good for: how long it takes to know it, and what need not be built. */
export const contexts: Bench = {
  about: "hashing contexts, and building only what changed, beside tar, buildctl and buildx bake",
  async run({ tell, signal }): Promise<readonly Row[]> {
    await ensureBuildx({ tell, signal });
    const rows = [...(await measureHash({ tell, signal }))];
    tell("starting buildkitd and a registry");
    rows.push(await onRealParts((parts) => measureMonorepo(parts, { tell, signal })));
    for (const { side, name, bars } of peers) {
      const measuring = { name, bars, tell, signal };
      rows.push(...(await onRealParts((parts) => measureStacks(side, parts, measuring))));
    }
    return rows;
  },
};

/** A daemon gets slower by what it remembers, a quarter after a thousand builds: each comparison has one of its own. */
async function onRealParts<T>(measure: (parts: RealParts) => Promise<T>): Promise<T> {
  await using parts = await startRealParts();
  return await measure(parts);
}

interface Measuring {
  readonly name: string;
  readonly bars: Readonly<Record<"cold" | "warm", number>>;
  readonly signal: AbortSignal;
  tell(text: string): void;
}

/**
 * Each run that counts follows one of the same side that does not: bake leaves the daemon at work for two more seconds,
 * writing its traces down, which is bake's to bear and not its neighbour's.
 */
async function measureStacks(
  side: Builder,
  parts: RealParts,
  { name, bars, tell, signal }: Measuring,
): Promise<readonly Row[]> {
  const ours = await createPushStack("ours", parts);
  const theirs = await createPushStack(side, parts);
  const measure = (stack: PushStack, heat: "cold" | "warm") => async (run: number) => {
    await measureOne(stack, { heat, run: `${name} before ${run}`, signal });
    const seconds = await measureOne(stack, { heat, run: `${name} ${run}`, signal });
    tell(`${name}, ${heat}, ${run === 0 ? "warm-up" : `run ${run}`}, ${stack.side}: ${seconds.toFixed(2)} s`);
    return seconds;
  };
  const rows: Row[] = [];
  for (const heat of ["cold", "warm"] as const) {
    const compared = await alternate(rounds, { ours: measure(ours, heat), peer: measure(theirs, heat) });
    rows.push(createRow(`20 functions ÷ ${name}, ${heat}`, compared, { unit: "s", bar: bars[heat] }));
  }
  return rows;
}
