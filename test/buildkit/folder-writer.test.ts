import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FolderWriter } from "../../src/buildkit/folder-writer.ts";
import { createScratch } from "./scratch-folder.ts";

const entry = { mode: 0o644, modifiedNs: 0n };
const folder = { mode: 0o755, modifiedNs: 0n };

async function createWriter() {
  const scratch = await createScratch();
  const outside = join(scratch, "outside");
  await mkdir(outside);
  await writeFile(join(outside, "file"), "untouched");
  const writer = new FolderWriter(join(scratch, "target"));
  await writer.open();
  return { writer, outside, target: join(scratch, "target") };
}

test.for([
  "",
  ".",
  "..",
  "/",
  "/etc/passwd",
  "../outside/file",
  "a/../../outside/file",
  "./a",
  "a//b",
  "a/",
  "a\0b",
  "missing/child",
])("D7 a file of the path %j is refused, and nothing is written", async (path) => {
  const { writer, outside, target } = await createWriter();
  await writer.addFolder({ ...folder, path: "a" });
  expect(() => writer.addFile(1, { ...entry, path })).toThrow(/BuildKit sends/);
  await expect(writer.addFolder({ ...folder, path })).rejects.toMatchObject({ code: "output_failed" });
  await expect(writer.addSymlink({ ...entry, path, target: "x" })).rejects.toMatchObject({ code: "output_failed" });
  await writer.close();
  expect(await readdir(target)).toEqual(["a"]);
  expect(await readFile(join(outside, "file"), "utf8")).toBe("untouched");
});

test("D7 nothing can be put below a link or a file that came before, or in the place of either", async () => {
  const { writer, outside } = await createWriter();
  await writer.addSymlink({ ...entry, path: "link", target: outside });
  writer.addFile(1, { ...entry, path: "file" });
  for (const path of ["link/file", "file/x", "link", "file"]) {
    expect(() => writer.addFile(2, { ...entry, path })).toThrow(/BuildKit sends/);
    await expect(writer.addFolder({ ...folder, path })).rejects.toMatchObject({ code: "output_failed" });
  }
  await writer.close();
  expect(await readdir(outside)).toEqual(["file"]);
});

test("D7 a hard link to what was not sent is refused", async () => {
  const { writer } = await createWriter();
  await writer.addSymlink({ ...entry, path: "link", target: "/etc/passwd" });
  for (const target of ["/etc/passwd", "../outside/file", "link", "later"])
    expect(() => writer.addLink({ ...entry, path: "mine", target })).toThrow(/BuildKit sends/);
  await writer.close();
});

test("data of a file that was not announced, or has ended, is refused", async () => {
  const { writer, target } = await createWriter();
  writer.addFile(0, { ...entry, path: "file" });
  await writer.writeFile(0, Buffer.from("text"));
  await writer.endFile(0);
  await expect(writer.writeFile(0, Buffer.from("more"))).rejects.toMatchObject({ code: "output_failed" });
  await expect(writer.endFile(7)).rejects.toMatchObject({ code: "output_failed" });
  await writer.close();
  expect(await readFile(join(target, "file"), "utf8")).toBe("text");
});

test("what is half there when it ends is removed", async () => {
  const { writer, target } = await createWriter();
  writer.addFile(0, { ...entry, path: "file" });
  await writer.writeFile(0, Buffer.from("half"));
  expect(writer.isComplete()).toBe(false);
  await writer.close();
  expect(await readdir(target)).toEqual([]);
});
