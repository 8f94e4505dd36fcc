import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createDirectoryContext } from "../../src/contexts/directory.ts";
import { createKeptContext } from "../../src/contexts/kept-context.ts";
import type { Context, EntryReader } from "../../src/model/context.ts";
import { createScratch, listAll, textOf } from "./scratch.ts";

const folderContext = (folder: string) => createDirectoryContext(folder, { within: folder, links: "resolve" });

async function writeTree(folder: string, text: string): Promise<void> {
  await mkdir(join(folder, "d"), { recursive: true });
  await writeFile(join(folder, "a"), `a ${text}`);
  await writeFile(join(folder, "d/b"), `b ${text}`);
}

async function readAll(context: Context): Promise<string[]> {
  await listAll(context);
  return [await textOf(context, "a"), await textOf(context, "d/b")];
}

test("what was looked at is what is read later, whatever has become of the files", async () => {
  await using scratch = await createScratch();
  await writeTree(scratch.folder, "before");
  const kept = createKeptContext(folderContext(scratch.folder));
  expect(await readAll(kept)).toEqual(["a before", "b before"]);
  const reads = kept.reads();
  await writeTree(scratch.folder, "after!");
  await writeFile(join(scratch.folder, "d/new"), "");
  expect(await readAll(kept)).toEqual(["a before", "b before"]);
  expect([kept.reads(), kept.isWhole()]).toEqual([reads, true]);
});

test("what was never read is read when it is asked for, and counts", async () => {
  await using scratch = await createScratch();
  await writeTree(scratch.folder, "before");
  const kept = createKeptContext(folderContext(scratch.folder));
  await listAll(kept);
  const reads = kept.reads();
  await writeTree(scratch.folder, "after!");
  expect(await textOf(kept, "a")).toBe("a after!");
  expect(kept.reads()).toBe(reads + 1);
});

test.for([
  ["bytes", { maxBytes: 9, maxEntries: 100 }, ["a before", "b after!"], 1],
  ["entries", { maxBytes: 100, maxEntries: 2 }, ["a before", "b after!"], 2],
] as const)("of more %s than it may keep it reads what is there by then", async ([, limits, texts, more]) => {
  await using scratch = await createScratch();
  await writeTree(scratch.folder, "before");
  const kept = createKeptContext(folderContext(scratch.folder), limits);
  await readAll(kept);
  const reads = kept.reads();
  await writeTree(scratch.folder, "after!");
  expect(await readAll(kept)).toEqual(texts);
  expect([kept.reads(), kept.isWhole()]).toEqual([reads + more, false]);
});

/** A context of one file that tells a size of its own and is read in pieces, at once or later. */
function oddContext(size: number, pieces: readonly string[], answer: <T>(value: T) => T | Promise<T>): Context {
  const open = (): EntryReader => {
    const left = [...pieces];
    return {
      read: (target) => answer(Buffer.from(left.shift() ?? "").copy(target)),
      close() {},
    };
  };
  return { list: async () => [{ path: "f", mode: 0o644, size, modifiedNs: 0n, linkTarget: "", open }] };
}

test.for([
  ["at once", <T>(value: T) => value],
  ["later", async <T>(value: T) => value],
] as const)("pieces that come %s are kept as one file", async ([, answer]) => {
  const kept = createKeptContext(oddContext(7, ["one", "two", "3"], answer));
  expect([await textOf(kept, "f"), await textOf(kept, "f")]).toEqual(["onetwo3", "onetwo3"]);
  expect([kept.reads(), kept.isWhole()]).toEqual([2, true]);
});

test.for([3, 20])("a file that is not as long as it was listed is read anew: %s bytes", async (size) => {
  const kept = createKeptContext(oddContext(size, ["one", "two"], (value) => value));
  expect([await textOf(kept, "f"), await textOf(kept, "f")]).toEqual(["onetwo", "onetwo"]);
  expect([kept.reads(), kept.isWhole()]).toEqual([3, false]);
});

test("what is kept is not scanned ahead again", async () => {
  const told: string[][] = [];
  const kept = createKeptContext({
    list: async () => [],
    ahead(directories) {
      told.push([...directories]);
      return undefined;
    },
  });
  await kept.list("a");
  kept.ahead?.(["a", "b"]);
  kept.ahead?.(["a"]);
  expect(told).toEqual([["b"]]);
});
