import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createKnownContexts } from "../../src/compose/known-contexts.ts";
import { createDirectoryContext } from "../../src/contexts/directory.ts";
import type { Context } from "../../src/model/context.ts";

const { signal } = new AbortController();

/** A folder with one file, and how often that was opened. */
async function scene() {
  const folder = await mkdtemp(join(tmpdir(), "of-builder-test-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "file");
  const opened = { times: 0 };
  const tree = createDirectoryContext(folder, { within: folder, links: "resolve" });
  const context: Context = {
    async list(directory) {
      const entries = await tree.list(directory);
      return entries.map((entry) => ({
        ...entry,
        // As if it had been written long ago.
        version: { inode: entry.version?.inode ?? 0n, changedNs: entry.modifiedNs },
        open() {
          opened.times += 1;
          return entry.open();
        },
      }));
    },
  };
  const write = async (text: string, seconds: number) => {
    await writeFile(file, text);
    await utimes(file, seconds, seconds);
  };
  await write("one", 1000);
  return { context, write, opened };
}

test("files that are still the same are not read again, under any name that knows them", async () => {
  const { context, write, opened } = await scene();
  const hash = createKnownContexts();
  const first = await hash("a", context, { signal });
  expect(await hash("a", context, { signal })).toBe(first);
  expect(opened.times).toBe(1);
  expect(await hash("b", context, { signal })).toBe(first);
  expect(opened.times).toBe(2);
  await write("two", 2000);
  expect(await hash("a", context, { signal })).not.toBe(first);
  expect(opened.times).toBe(3);
});
