import { execFileSync } from "node:child_process";
import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createDirectoryContext } from "../../src/contexts/directory.ts";
import { createFilesContext } from "../../src/contexts/files.ts";
import { writeContext } from "../../src/contexts/write-context.ts";
import { findEntry } from "../../src/model/context.ts";
import { createScratch, listAll, pathsOf } from "./scratch.ts";

const long = "n".repeat(240);
const fault = (code: string, words: string) => expect.objectContaining({ code, message: expect.stringMatching(words) });

/** A folder with a file that lies below folders of 240 letters each; paths beyond PATH_MAX are reached from inside out. */
async function createNested(folders: number): Promise<{ folder: string } & AsyncDisposable> {
  const scratch = await createScratch();
  const [inner, outer] = [join(scratch.folder, "inner"), join(scratch.folder, "outer")];
  await mkdir(inner);
  await writeFile(join(inner, "file"), "at the end");
  for (let depth = 0; depth < folders; depth += 1) {
    await mkdir(outer);
    await rename(inner, join(outer, long));
    await rename(outer, inner);
  }
  // Node's own way to remove folders takes whole paths.
  const remove = async () => void execFileSync("rm", ["-rf", scratch.folder]);
  return { folder: inner, [Symbol.asyncDispose]: remove };
}

test.for(["keep", "resolve"] as const)(
  "a path that is longer than the system allows is told, and not left out, links %s",
  async (links) => {
    await using nested = await createNested(20);
    const context = createDirectoryContext(nested.folder, { within: nested.folder, links });
    await expect(listAll(context)).rejects.toThrow(fault("context_invalid", '^"n{200}…" cannot be read: its path'));
  },
);

test("a path of sixteen such folders is read to its end", async () => {
  await using nested = await createNested(16);
  const context = createDirectoryContext(nested.folder, { within: nested.folder, links: "resolve" });
  expect((await pathsOf(context)).at(-1)).toBe(`${`${long}/`.repeat(16)}file`);
  expect(await findEntry(context, `${`${long}/`.repeat(16)}absent`)).toBeUndefined();
});

test("a folder behind a link, which lies too deep by itself, is told", async () => {
  await using nested = await createNested(15);
  const { folder } = nested;
  await rename(join(folder, long), join(folder, "deep"));
  await symlink(`deep/${`${long}/`.repeat(13)}${long}`, join(folder, "link"));
  const far = join(folder, "link", long);
  await mkdir(far);
  await mkdir(join(far, long));
  await mkdir(join(far, long, long));
  const context = createDirectoryContext(folder, { within: folder, links: "resolve" });
  await expect(context.list(`link/${long}/${long}/${long}`)).rejects.toThrow(fault("context_invalid", "link/n+…"));
});

test("a context that does not fit below a folder's path is told before it is taken for a fault of ours", async () => {
  await using nested = await createNested(15);
  const context = createFilesContext({ [`${long}/${long}/file`]: { content: "x" } });
  const target = `${join(nested.folder, `${long}/`.repeat(15))}target`;
  const writing = writeContext(context, target, { signal: AbortSignal.timeout(30_000) });
  await expect(writing).rejects.toThrow(fault("usage", "lies too deep"));
});

test.for<[target: string, code: string]>([
  [long.repeat(2), "context_invalid"],
  [`../${long.repeat(2)}`, "path_forbidden"],
  [`${"a/".repeat(2000)}b`, "context_invalid"],
  [`circle/${"a/".repeat(10)}b`, "context_invalid"],
])("G5 a link with a target that can be nothing, %s, is refused with %s", async ([target, code]) => {
  await using scratch = await createScratch();
  await symlink("circle", join(scratch.folder, "circle"));
  await symlink(target, join(scratch.folder, "a-link"));
  const context = createDirectoryContext(scratch.folder, { within: scratch.folder, links: "resolve" });
  await expect(context.list("")).rejects.toThrow(fault(code, '"a-link"'));
});
