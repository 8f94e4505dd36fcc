import { expect, test } from "vitest";
import { createFairQueue, type FairQueue, type Place } from "../../src/pipeline/fair-queue.ts";

const { signal } = new AbortController();

/** Asks for a place and notes when it is there. */
function ask(queue: FairQueue, key: string, into: string[]): Promise<Place> {
  const place = queue.enter({ key: key[0] ?? "", signal });
  place.then(() => into.push(key)).catch(() => {});
  return place;
}

test("whose turn it is goes round among keys, however much one of them asks for", async () => {
  const queue = createFairQueue({ maxRunning: 1, maxWaiting: 100 });
  const order: string[] = [];
  const asked = ["a1", "a2", "a3", "a4", "b1", "b2", "c1"].map((key) => ask(queue, key, order));
  const first = await asked[0];
  first?.[Symbol.dispose]();
  for (const waiting of ["a2", "b1", "c1", "a3", "b2", "a4"]) {
    await expect.poll(() => order.at(-1)).toBe(waiting);
    const place = await asked[["a1", "a2", "a3", "a4", "b1", "b2", "c1"].indexOf(waiting)];
    place?.[Symbol.dispose]();
  }
  expect(order).toEqual(["a1", "a2", "b1", "c1", "a3", "b2", "a4"]);
});

test("who waits hears how many are before, and hears it again when that changes", async () => {
  const queue = createFairQueue({ maxRunning: 1, maxWaiting: 10 });
  const held = await queue.enter({ key: "a", signal });
  const heard: Record<string, number[]> = { a: [], b: [], c: [] };
  const stop = new AbortController();
  const wait = (key: string, own: AbortSignal) =>
    queue.enter({ key, signal: own, onPlace: (before) => heard[key]?.push(before) });
  const [a, b, c] = [wait("a", signal), wait("b", stop.signal), wait("c", signal)];
  stop.abort(new Error("gone"));
  await expect(b).rejects.toThrow("gone");
  held[Symbol.dispose]();
  (await a)[Symbol.dispose]();
  (await c)[Symbol.dispose]();
  expect(heard).toEqual({ a: [0], b: [1], c: [2, 1, 0] });
});

test("more than allowed are refused, work that was promised is not, and room is found again", async () => {
  const queue = createFairQueue({ maxRunning: 2, maxWaiting: 1 });
  const held = [await queue.enter({ key: "a", signal }), await queue.enter({ key: "a", signal })];
  expect(queue.isFull).toBe(false);
  const waiting = queue.enter({ key: "a", signal });
  expect(queue.isFull).toBe(true);
  await expect(queue.enter({ key: "b", signal })).rejects.toMatchObject({
    code: "too_busy",
    message: "2 builds run and 1 wait: no more are taken at the moment",
  });
  const promised = queue.enterSurely({ key: "push", signal });
  for (const place of held) place[Symbol.dispose]();
  for (const place of await Promise.all([waiting, promised])) place[Symbol.dispose]();
  const again = await Promise.all([queue.enter({ key: "a", signal }), queue.enter({ key: "a", signal })]);
  expect(again).toHaveLength(2);
});

test("a place that is given back twice counts once, and one that was given up is not handed out", async () => {
  const queue = createFairQueue({ maxRunning: 1, maxWaiting: 5 });
  const held = await queue.enter({ key: "a", signal });
  const stop = new AbortController();
  const left = queue.enter({ key: "a", signal: stop.signal });
  stop.abort(new Error("gone"));
  await expect(left).rejects.toThrow("gone");
  held[Symbol.dispose]();
  held[Symbol.dispose]();
  const next = await queue.enter({ key: "a", signal });
  const order: string[] = [];
  const after = ask(queue, "b", order);
  expect(order).toEqual([]);
  next[Symbol.dispose]();
  await after;
  await expect(queue.enter({ key: "a", signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
});

test("0 is no limit", async () => {
  const queue = createFairQueue({ maxRunning: 0, maxWaiting: 0 });
  const places = await Promise.all(Array.from({ length: 50 }, () => queue.enter({ key: "a", signal })));
  expect(places).toHaveLength(50);
  expect(queue.isFull).toBe(false);
});
