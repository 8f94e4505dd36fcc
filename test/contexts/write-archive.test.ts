import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { openArchive } from "../../src/contexts/archive.ts";
import { createDirectoryContext } from "../../src/contexts/directory.ts";
import { writeArchive } from "../../src/contexts/write-archive.ts";
import { findEntry } from "../../src/model/context.ts";
import { bytesOf, createScratch, pathsOf, textOf } from "./scratch.ts";

const run = promisify(execFile);
const { signal } = new AbortController();
const deep = `${"a-rather-long-folder/".repeat(12)}and-a-file-${"x".repeat(100)}`;

async function fill(folder: string): Promise<void> {
  await mkdir(join(folder, deep, ".."), { recursive: true });
  await writeFile(join(folder, deep), "deep");
  await writeFile(join(folder, "Dockerfile"), "FROM busybox\n");
  await writeFile(join(folder, "empty"), "");
  await writeFile(join(folder, "grüße.txt"), "hello");
  await writeFile(join(folder, "large"), Buffer.alloc(3_000_001, "l"));
  await writeFile(join(folder, "run.sh"), "#!/bin/sh\n");
  await chmod(join(folder, "run.sh"), 0o750);
  await symlink("run.sh", join(folder, "link"));
}

test("an archive holds the context and the files beside it, for our reader and for GNU tar", async () => {
  await using scratch = await createScratch();
  const folder = join(scratch.folder, "source");
  await fill(folder);
  const context = createDirectoryContext(folder, { within: folder, links: "keep" });
  const file = join(scratch.folder, "archive.tar");
  const hash = createHash("sha256");
  const files = { "com.openfaas.docker.config": Buffer.from('{"image":"x"}') };
  await writeArchive(file, { context, files }, { signal, onChunk: (chunk) => void hash.update(chunk) });

  expect(hash.digest("hex")).toBe(
    createHash("sha256")
      .update(await readFile(file))
      .digest("hex"),
  );
  const opened = await openArchive(file, {
    folder: scratch.folder,
    maxBytes: 10_000_000,
    findProgram: async () => undefined,
    signal,
  });
  expect(await pathsOf(opened.context)).toEqual(await pathsOf(context));
  expect(await textOf(opened.context, deep)).toBe("deep");
  const large = await findEntry(opened.context, "large");
  expect(large && (await bytesOf(large)).equals(Buffer.alloc(3_000_001, "l"))).toBe(true);
  expect((await opened.readFile("com.openfaas.docker.config", 100))?.toString()).toBe('{"image":"x"}');

  await run("tar", ["xf", file, "--one-top-level=out"], { cwd: scratch.folder });
  const { stdout } = await run("diff", ["-r", "--no-dereference", folder, join(scratch.folder, "out", "context")]);
  expect(stdout).toBe("");
  const { stdout: modes } = await run("stat", ["-c", "%a %N", join(scratch.folder, "out/context/run.sh")]);
  expect(modes).toMatch(/^750 /);
});

test("a file that became shorter is told by its name", async () => {
  await using scratch = await createScratch();
  const entry = {
    path: "shrunk",
    mode: 0o644,
    size: 10,
    modifiedNs: 0n,
    linkTarget: "",
    open: () => ({ read: () => 0, close() {} }),
  };
  const context = { list: async () => [entry] };
  const file = join(scratch.folder, "archive.tar");
  await expect(writeArchive(file, { context, files: {} }, { signal, onChunk() {} })).rejects.toThrow(/"shrunk" became/);
});
