import { expect, test } from "vitest";
import { followPaths } from "../../src/buildkit/follow-paths.ts";
import { createMemoryContext, link } from "./memory-context.ts";

const context = createMemoryContext({
  "a/b/c.txt": "c",
  "a/d.txt": "d",
  up: link("../../a"),
  absolute: link("/a/b"),
  chain: link("up"),
  "a/back": link("../absolute"),
  loop: link("pool"),
  pool: link("loop"),
  self: link("self/x"),
  "l-1": link("a/d.txt"),
  "l-2": link("/nowhere"),
});
const { signal } = new AbortController();

test.for<[paths: string[], followed: string[] | undefined]>([
  [["a/d.txt"], ["a/d.txt"]],
  [["/a/d.txt"], ["a/d.txt"]],
  [["missing/too"], ["missing/too"]],
  [["a/b", "a/b/c.txt"], ["a/b"]],
  [["."], undefined],
  [["a/.."], undefined],
  [["up/d.txt"], ["a/d.txt", "up"]],
  [["chain/d.txt"], ["a/d.txt", "chain", "up"]],
  [["a/back/c.txt"], ["a/b/c.txt", "a/back", "absolute"]],
  [["loop"], ["loop", "pool"]],
  [["self"], ["self"]],
  [["l-*"], ["a/d.txt", "l-*", "nowhere"]],
  [["a/*"], ["a/*", "a/b", "absolute"]],
  [["a/[bd]*"], ["a/[bd]*", "a/b", "absolute"]],
  [["../up/d.txt"], ["../up/d.txt"]],
  [
    ["b\\*", "*["],
    ["*[", "b\\*"],
  ],
])("%j leads to %j", async ([paths, followed]) => {
  expect(await followPaths(context, paths, { signal })).toEqual(followed);
});

test("links that fan out without end are refused", async () => {
  const sketches = Object.fromEntries(
    Array.from({ length: 12_000 }, (_, index) => [`l${index}`, link(`missing/${index}`)] as const),
  );
  const following = followPaths(createMemoryContext(sketches), ["l*"], { signal });
  await expect(following).rejects.toMatchObject({ code: "context_invalid" });
});

test("an aborted signal ends it", async () => {
  const aborted = AbortSignal.abort(new Error("enough"));
  await expect(followPaths(context, ["a"], { signal: aborted })).rejects.toThrow("enough");
});
