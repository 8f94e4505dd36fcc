import { expect, test } from "vitest";
import { createLimit } from "../../src/pipeline/limit.ts";

test.for([
  [1, 1],
  [3, 3],
  [0, 10],
])("a limit of %i lets %i run at once, in order", async ([max = 0, most]) => {
  const limit = createLimit(max);
  let running = 0;
  let seen = 0;
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      limit(async () => {
        order.push(index);
        seen = Math.max(seen, ++running);
        await new Promise(setImmediate);
        running--;
      }),
    ),
  );
  expect(seen).toBe(most);
  expect(order).toEqual([...order].sort((a, b) => a - b));
});

test("work that fails gives its place back", async () => {
  const limit = createLimit(1);
  await expect(limit(() => Promise.reject(new Error("x")))).rejects.toThrow("x");
  expect(await limit(async () => "next")).toBe("next");
});
