import { expect, test } from "vitest";
import { createPace } from "../../src/github/write-pace.ts";

const { signal } = new AbortController();

/** A clock that stands still until it is set. */
function clock() {
  let time = 1_000_000;
  return { now: () => time, pass: (ms: number) => (time += ms) };
}

/** Whether a turn is due at once: a turn that waits does so for hours. */
async function isDue(turn: (options: { signal: AbortSignal }) => Promise<void>): Promise<boolean> {
  const leave = new AbortController();
  const due = turn({ signal: leave.signal }).then(
    () => true,
    () => false,
  );
  setImmediate(() => leave.abort());
  return due;
}

test("so many turns at once are due, then one after each interval", async () => {
  const { now, pass } = clock();
  const pace = createPace({ burst: 3, everyMs: 3_600_000, now });
  for (let turn = 0; turn < 3; turn++) await pace("a", { signal });
  expect(await isDue((options) => pace("a", options))).toBe(false);
  pass(2 * 3_600_000);
  expect(await isDue((options) => pace("a", options))).toBe(true);
  expect(await isDue((options) => pace("a", options))).toBe(false);
});

test("every key has its own pace", async () => {
  const pace = createPace({ burst: 1, everyMs: 3_600_000, now: clock().now });
  await pace("a", { signal });
  expect(await isDue((options) => pace("b", options))).toBe(true);
  expect(await isDue((options) => pace("a", options))).toBe(false);
});

test("keys of the past are forgotten, others are not", async () => {
  const { now, pass } = clock();
  const pace = createPace({ burst: 1, everyMs: 3_600_000, now });
  for (let key = 0; key < 1200; key++) await pace(`old ${key}`, { signal });
  pass(3_600_000);
  await pace("new", { signal });
  await pace("other", { signal });
  expect(await isDue((options) => pace("new", options))).toBe(false);
  expect(await isDue((options) => pace("old 1", options))).toBe(true);
});

test("whoever has left already gets no turn", async () => {
  const pace = createPace();
  await expect(pace("a", { signal: AbortSignal.abort(new Error("left")) })).rejects.toThrow("left");
});
