import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkTree, defaultLimits, watchFetch } from "../../src/git/tree-bounds.ts";
import { scratchFolder } from "./git-scene.ts";

const line = (size: number | string, path: string) =>
  `100644 blob ce013625030ba8dba906f756967f9e9ca394464a ${String(size).padStart(7)}\t${path}\0`;
const limits = { ...defaultLimits, maxBytes: 100, maxFiles: 3 };

test("a tree within its bounds passes, submodules weigh nothing", () => {
  const listing =
    line(60, "a") + line(40, "b\n9999\tc") + line(4, "x").replace("blob", "commit").replace("      4", "      -");
  expect(checkTree(listing, limits)).toEqual({ files: 3, bytes: 100, attributes: "" });
  expect(checkTree("", limits)).toEqual({ files: 0, bytes: 0, attributes: "" });
});

test.for([
  ["one byte too many", line(60, "a") + line(41, "b"), /larger than 100 bytes/],
  ["one file too many", ["a", "b", "c", "d"].map((path) => line(0, path)).join(""), /more than 3 files/],
] as const)("G8 %s is refused", ([, listing, message]) => {
  expect(() => checkTree(listing, limits)).toThrow(message);
});

test("G8 a fetch is stopped while it grows too large", async () => {
  const tree = await scratchFolder();
  const packs = join(tree, "pack");
  const told = Promise.withResolvers<unknown>();
  const unwatch = watchFetch(packs, limits, told.resolve);
  try {
    await mkdir(packs, { recursive: true });
    await writeFile(join(packs, "tmp_pack_a"), Buffer.alloc(60));
    await writeFile(join(packs, "tmp_pack_b"), Buffer.alloc(60));
    expect(await told.promise).toMatchObject({
      code: "context_invalid",
      message: expect.stringContaining("100 bytes"),
    });
  } finally {
    unwatch();
  }
});
