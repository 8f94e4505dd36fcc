import { expect, test } from "vitest";
import { createToldStories } from "../../src/jobs/told-stories.ts";
import { createLog } from "../../src/log.ts";

test("a story that is told anew before its first telling has ended keeps its place when that ends", async () => {
  const leaving = new AbortController().signal;
  using told = createToldStories({ leaving, cancels: undefined, log: createLog("fatal") });
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const tellings = [told.tell("run", () => first.promise), told.tell("run", () => second.promise)];
  await expect.poll(() => told.count).toBe(1);

  first.resolve();
  await tellings[0];
  expect(await told.of("run").busy(async () => "told")).toBe("told");
  second.resolve();
  await tellings[1];
  expect(told.count).toBe(0);
  expect(() => told.of("run")).toThrow('the story "run" is not told here');
});
