import { describe, expect, test } from "vitest";
import { alternate, spreadOf } from "../../bench/alternate.ts";

describe("the spread of values", () => {
  test.for([
    { values: [3], spread: { median: 3, min: 3, max: 3 } },
    { values: [9, 1, 5], spread: { median: 5, min: 1, max: 9 } },
    { values: [10, 2, 4, 1], spread: { median: 3, min: 1, max: 10 } },
  ])("of $values", ({ values, spread }) => {
    expect(spreadOf(values)).toEqual(spread);
  });
});

test("a warm-up of each comes first and does not count, then the sides take turns in going first", async () => {
  const order: string[] = [];
  const measure = (side: string, seconds: readonly number[]) => async (run: number) => {
    order.push(`${side} ${run}`);
    return seconds[run] ?? Number.NaN;
  };
  const compared = await alternate(3, { ours: measure("ours", [99, 2, 4, 6]), peer: measure("peer", [0, 2, 1, 8]) });
  expect(order).toEqual(["ours 0", "peer 0", "ours 1", "peer 1", "peer 2", "ours 2", "ours 3", "peer 3"]);
  expect(compared).toEqual({
    ours: { median: 4, min: 2, max: 6 },
    peer: { median: 2, min: 1, max: 8 },
    ratio: 2,
  });
});

test("a side that fails ends the whole comparison", async () => {
  const ours = async () => Promise.reject(new Error("no registry"));
  await expect(alternate(1, { ours, peer: async () => 1 })).rejects.toThrow("no registry");
});
