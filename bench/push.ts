import { alternate } from "./alternate.ts";
import { createPushStack, measureBuild, type PushStack, type Side } from "./push-stack.ts";
import { startRealParts } from "./real-parts.ts";
import { type Bench, createRow, type Row } from "./result.ts";

const rounds = 5;
const bars = { cold: 1.2, warm: 1.2 };

/**
 * How long it takes until a stack of 20 functions is in the registry, beside 20 buildctl processes that are started at
 * once on contexts that lie ready: the best that a person could do by hand. Both use one BuildKit and one registry.
 * Cold, the files of every function have changed, so everything is uploaded and run; warm, nothing has changed.
 */
export const push: Bench = {
  about: "20 functions built and pushed, beside 20 buildctl at once",
  async run({ tell, signal }): Promise<readonly Row[]> {
    tell("starting buildkitd and a registry");
    await using parts = await startRealParts();
    const stacks = { ours: await createPushStack("ours", parts), peer: await createPushStack("peer", parts) };
    const measure = (heat: "cold" | "warm", side: Side) => async (run: number) => {
      const seconds = await measureOne(stacks[side], { heat, run, signal });
      tell(`${heat}, ${run === 0 ? "warm-up" : `run ${run}`}, ${side}: ${seconds.toFixed(2)} s`);
      return seconds;
    };
    const rows: Row[] = [];
    for (const heat of ["cold", "warm"] as const) {
      const compared = await alternate(rounds, { ours: measure(heat, "ours"), peer: measure(heat, "peer") });
      rows.push(createRow(`20 functions, ${heat}`, compared, { unit: "s", bar: bars[heat] }));
    }
    return rows;
  },
};

/** Measures one run, with the proof that it did what its heat says: cold, every function's RUN ran; warm, none. */
export async function measureOne(
  stack: PushStack,
  { heat, run, signal }: { heat: "cold" | "warm"; run: number | string; signal: AbortSignal },
): Promise<number> {
  if (heat === "cold") await stack.change(`${stack.side} ${run}`);
  const { seconds, ran } = await measureBuild(stack, { signal });
  const expected = heat === "cold" ? stack.names.length : 0;
  if (ran !== expected) throw new Error(`${stack.side}, ${heat}: RUN ran in ${ran} functions, expected ${expected}`);
  await stack.checkPushed({ signal });
  return seconds;
}
