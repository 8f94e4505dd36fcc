import { expect, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { retrying } from "../../src/pipeline/retry.ts";
import type { Steps } from "../../src/pipeline/steps.ts";

test("a further attempt waits as long as planned, or as whoever refused the last one says, within bounds", async () => {
  const waits: number[] = [];
  const steps: Pick<Steps, "step" | "sleep"> = {
    step: (_name, work) => work({ signal: new AbortController().signal }),
    sleep: async (ms) => void waits.push(ms),
  };
  const asked = [0, 500, 30_000, 24 * 60 * 60 * 1000];
  const attempt = async () => {
    const retryAfterMs = asked[waits.length];
    if (retryAfterMs === undefined) return "done";
    throw new BuilderError("too_busy", "later", { retryAfterMs });
  };
  const backoff = [1000, 1000, 1000, 1000];
  expect(await retrying(steps as Steps, { name: "build", backoff }, attempt)).toBe("done");
  expect(waits).toEqual([1000, 1000, 30_000, 600_000]);
});
