import { expect, onTestFinished, test } from "vitest";
import type { ReportTurn, Written } from "../../src/model/report-turn.ts";
import { type ReportingHands, startReporting } from "../../src/pipeline/reporting.ts";
import { unsent } from "../unsent.ts";

const shown: Written = { kind: "shown", way: "check", annotationsSent: 0, isWhole: true, isWrite: true, text: "" };

function turnOf(context: string): ReportTurn {
  return {
    pushId: "p",
    installationId: "1",
    repositoryId: "2",
    owner: "o",
    repository: "r",
    sha: "s",
    report: { context, state: "success", description: "" },
    ...unsent,
  };
}

/** A loop over a list of turns; polls only where the test wakes it. */
function scene(hands: Partial<ReportingHands<ReportTurn>> = {}, options: Parameters<typeof startReporting>[1] = {}) {
  const waiting: ReportTurn[] = [];
  const ends: string[] = [];
  const faults: unknown[] = [];
  const { promise: quiet, resolve: onQuiet } = Promise.withResolvers<void>();
  const loop = startReporting<ReportTurn>(
    {
      take: async () => waiting.shift(),
      nextMs: async () => {
        if (waiting.length === 0) onQuiet();
        return undefined;
      },
      hold: async () => true,
      end: async () => {},
      write: async () => shown,
      onEnd: ({ report }, { kind }) => void ends.push(`${report.context} ${kind}`),
      onFault: (error) => void faults.push(error),
      ...hands,
    },
    { pollMs: 3_600_000, ...options },
  );
  onTestFinished(() => loop.stop({ limitMs: 0 }));
  return { loop, waiting, ends, faults, quiet };
}

test("whoever tells something wakes the loop, which takes until there is nothing", async () => {
  const { loop, waiting, ends, quiet } = scene();
  await quiet;
  waiting.push(turnOf("a"), turnOf("b"), turnOf("c"));
  loop.wake();
  await expect.poll(() => ends).toEqual(["a shown", "b shown", "c shown"]);
});

test("a bug of one report lets the others be written, and is told", async () => {
  const bug = new TypeError("x is undefined");
  const { loop, waiting, ends, faults } = scene({
    write: async ({ report }) => {
      if (report.context === "a") throw bug;
      return shown;
    },
  });
  waiting.push(turnOf("a"), turnOf("b"));
  loop.wake();
  await expect.poll(() => ends.toSorted()).toEqual(["a refused", "b shown"]);
  expect(faults).toEqual([bug]);
});

test("as many are written at once as may be", async () => {
  const writing = new Set<() => void>();
  let most = 0;
  const { loop, waiting, ends } = scene(
    {
      write: () =>
        new Promise((resolve) => {
          writing.add(() => resolve(shown));
          most = Math.max(most, writing.size);
        }),
    },
    { parallel: 2 },
  );
  waiting.push(turnOf("a"), turnOf("b"), turnOf("c"));
  loop.wake();
  await expect.poll(() => writing.size).toBe(2);
  for (let done = 1; done <= 3; done++) {
    const [first] = writing;
    writing.delete(first as () => void);
    first?.();
    await expect.poll(() => ends.length).toBe(done);
    if (done < 3) await expect.poll(() => writing.size).toBe(Math.min(2, 3 - done));
  }
  expect(most).toBe(2);
});

test("who stops writes what can be written soon, and does not wait for a pause of an hour", async () => {
  const { loop, waiting, ends } = scene({ nextMs: async () => 3_600_000 });
  waiting.push(turnOf("a"), turnOf("b"));
  await loop.stop({ limitMs: 3_600_000 });
  expect(ends.toSorted()).toEqual(["a shown", "b shown"]);
  waiting.push(turnOf("c"));
  loop.wake();
  expect(waiting).toHaveLength(1);
});

test("a turn is held while it is written, and left to who has taken it", async () => {
  let holds = 0;
  const { loop, waiting, ends } = scene(
    {
      hold: async () => ++holds < 3,
      write: (_turn, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => resolve({ kind: "failed", uncertain: true, reason: "" }));
        }),
    },
    { holdMs: 1 },
  );
  waiting.push(turnOf("a"));
  loop.wake();
  await expect.poll(() => ends).toEqual(["a failed"]);
  expect(holds).toBeGreaterThanOrEqual(3);
});

test("the limit of a stop aborts what is being written", async () => {
  const { loop, waiting, ends } = scene({
    write: (_turn, { signal }) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve({ kind: "failed", uncertain: true, reason: "aborted" }));
      }),
  });
  waiting.push(turnOf("a"));
  loop.wake();
  await expect.poll(() => waiting.length).toBe(0);
  await loop.stop({ limitMs: 0 });
  expect(ends).toEqual(["a failed"]);
});

test("a database that does not answer is told, and asked again", async () => {
  let outages = 2;
  const { ends, faults } = scene(
    {
      take: async () => {
        if (outages > 0) {
          outages -= 1;
          throw new Error("no database");
        }
        return ends.length === 0 ? turnOf("a") : undefined;
      },
    },
    { pollMs: 5 },
  );
  await expect.poll(() => ends.length).toBeGreaterThan(0);
  expect(faults).toHaveLength(2);
});
