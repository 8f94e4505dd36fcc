import { lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createDirectoryContext } from "../../src/contexts/directory.ts";
import { createFilesContext } from "../../src/contexts/files.ts";
import { writeContext } from "../../src/contexts/write-context.ts";
import { createScratch } from "./scratch.ts";

const { signal } = new AbortController();
const large = Buffer.alloc(3_000_000, "large ");

describe("writing a context", () => {
  test("makes the same files, folders, links and modes, and can be read back", async () => {
    await using scratch = await createScratch();
    const context = createFilesContext({
      "a/run": { content: "#!", mode: 0o755 },
      "a/secret": { content: "s", mode: 0o400 },
      large: { content: large },
      link: { link: "/etc/passwd" },
    });
    const folder = join(scratch.folder, "new/folder");
    await writeContext(context, folder, { signal });
    expect((await readdir(folder, { recursive: true })).sort()).toEqual(["a", "a/run", "a/secret", "large", "link"]);
    expect((await lstat(join(folder, "a/run"))).mode & 0o777).toBe(0o755);
    expect((await lstat(join(folder, "a/secret"))).mode & 0o777).toBe(0o400);
    expect((await lstat(join(folder, "a"))).mode & 0o777).toBe(0o755);
    expect(await readlink(join(folder, "link"))).toBe("/etc/passwd");
    expect((await readFile(join(folder, "large"))).equals(large)).toBe(true);
    const read = await createDirectoryContext(folder, { within: folder, links: "keep" }).list("");
    expect(read.map(({ path, mode }) => [path, mode])).toEqual(
      (await context.list("")).map(({ path, mode }) => [path, mode]),
    );
  });

  test("keeps names that are no UTF-8", async () => {
    await using scratch = await createScratch();
    const source = join(scratch.folder, "source");
    await mkdir(source);
    await writeFile(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0xff])]), "x");
    const target = join(scratch.folder, "target");
    await writeContext(createDirectoryContext(source, { within: source, links: "keep" }), target, { signal });
    expect(await readdir(target, { encoding: "buffer" })).toEqual([Buffer.from([0xff])]);
  });

  test("refuses a folder that holds something, and writes nothing into it", async () => {
    await using scratch = await createScratch();
    await symlink("/nowhere", join(scratch.folder, "file"));
    await expect(
      writeContext(createFilesContext({ file: { content: "x" } }), scratch.folder, { signal }),
    ).rejects.toMatchObject({ code: "usage" });
    expect(await readdir(scratch.folder)).toEqual(["file"]);
  });

  test("stops when it is told to", async () => {
    await using scratch = await createScratch();
    const stopped = AbortSignal.abort(new Error("stopped"));
    const writing = writeContext(createFilesContext({ file: { content: "x" } }), join(scratch.folder, "x"), {
      signal: stopped,
    });
    await expect(writing).rejects.toThrow("stopped");
  });
});
