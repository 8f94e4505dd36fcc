import { chmod, link, mkdir, rename, symlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { walk } from "../../src/compose/context-inputs.ts";
import { createDirectoryContext } from "../../src/contexts/directory.ts";
import { createFilesContext, type FileSource } from "../../src/contexts/files.ts";
import { type ContextHash, hashContext } from "../../src/contexts/hash.ts";
import type { Context } from "../../src/model/context.ts";
import { createScratch } from "./scratch.ts";

const signal = AbortSignal.timeout(60_000);
const hash = (context: Context, known?: ContextHash) => hashContext(context, { walk, known, signal });
const contentOf = async (files: Readonly<Record<string, FileSource>>) =>
  (await hash(createFilesContext({ Dockerfile: { content: "FROM scratch" }, ...files }))).content;

/** Writes files long ago, so that their times count as settled. */
async function write(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

const folderContext = (folder: string) => createDirectoryContext(folder, { within: folder, links: "resolve" });

/** A context that counts how many of its files are opened. */
function counting(context: Context): Context & { opened: string[] } {
  const opened: string[] = [];
  return {
    opened,
    list: async (directory) =>
      (await context.list(directory)).map((entry) => ({
        ...entry,
        open() {
          opened.push(entry.path);
          return entry.open();
        },
      })),
  };
}

test("equal trees have equal hashes, wherever and whenever they were written", async () => {
  await using scratch = await createScratch();
  const files = { Dockerfile: "FROM scratch", "a/b": "b", "a/c": "c", z: "" };
  await write(join(scratch.folder, "one"), files);
  await write(join(scratch.folder, "two"), Object.fromEntries(Object.entries(files).reverse()));
  await utimes(join(scratch.folder, "two/a/b"), 1, 1);
  const [one, two] = [
    await hash(folderContext(`${scratch.folder}/one`)),
    await hash(folderContext(`${scratch.folder}/two`)),
  ];
  expect(one.content).toBe(two.content);
  expect(one.stamp).not.toBe(two.stamp);
  expect(one.content).toMatch(/^[0-9a-f]{64}$/);
});

test.for<[string, Record<string, FileSource>]>([
  ["another content of the same length", { a: { content: "2" } }],
  ["another length", { a: { content: "11" } }],
  ["another name", { b: { content: "1" } }],
  ["another mode", { a: { content: "1", mode: 0o755 } }],
  ["a further file", { a: { content: "1" }, b: { content: "" } }],
  ["a link instead of a file", { a: { link: "1" } }],
  ["the file in a folder", { "a/a": { content: "1" } }],
  ["another Dockerfile", { a: { content: "1" }, Dockerfile: { content: "FROM x" } }],
])("%s is another hash", async ([, files]) => {
  expect(await contentOf(files)).not.toBe(await contentOf({ a: { content: "1" } }));
});

test("what one file ends with cannot be taken for what the next one begins with", async () => {
  expect(await contentOf({ a: { content: "12" }, b: { content: "" } })).not.toBe(
    await contentOf({ a: { content: "1" }, b: { content: "2" } }),
  );
});

test("what .dockerignore leaves out is not read and does not count", async () => {
  const base = {
    ".dockerignore": { content: "*.log\nsecret\n!secret/kept\nDockerfile" },
    "secret/kept": { content: "k" },
  };
  const context = counting(
    createFilesContext({
      Dockerfile: { content: "FROM scratch" },
      ...base,
      "x.log": { content: "1" },
      "secret/a": { content: "2" },
    }),
  );
  const { content } = await hash(context);
  expect(context.opened.filter((path) => path !== ".dockerignore")).toEqual(["Dockerfile", "secret/kept"]);
  expect(await contentOf({ ...base, "y.log": { content: "other" } })).toBe(content);
  expect(await contentOf({ ...base, "secret/kept": { content: "K" } })).not.toBe(content);
  expect(await contentOf({ ...base, Dockerfile: { content: "FROM x" } })).not.toBe(content);
});

test("with the stamp of an earlier hash no file is read again", async () => {
  await using scratch = await createScratch();
  await write(scratch.folder, { Dockerfile: "FROM scratch", "a/b": "b" });
  const known = { ...(await hash(folderContext(scratch.folder))), settled: true };
  const context = counting(folderContext(scratch.folder));
  expect((await hash(context, known)).content).toBe(known.content);
  expect(context.opened).toEqual([]);
});

test("a stamp of files that were just written is not trusted", async () => {
  await using scratch = await createScratch();
  await write(scratch.folder, { Dockerfile: "FROM scratch" });
  const known = await hash(folderContext(scratch.folder));
  expect(known.settled).toBe(false);
  const context = counting(folderContext(scratch.folder));
  expect((await hash(context, known)).content).toBe(known.content);
  expect(context.opened).toEqual(["Dockerfile", "Dockerfile"]);
});

test.for<[string, (folder: string) => Promise<void>]>([
  ["written to, its time set back", async (folder) => rewrite(join(folder, "a"))],
  [
    "replaced by another file of the same size and time",
    async (folder) => rename(join(folder, "other"), join(folder, "a")),
  ],
  ["made executable", async (folder) => chmod(join(folder, "a"), 0o755)],
  ["given a second name", async (folder) => link(join(folder, "a"), join(folder, "b"))],
])("a stamp shows a file that was %s", async ([, change]) => {
  await using scratch = await createScratch();
  await write(scratch.folder, { Dockerfile: "FROM scratch", a: "1", other: "2", ".dockerignore": "other" });
  for (const file of ["a", "other"]) await utimes(join(scratch.folder, file), 1000, 1000);
  const before = await hash(folderContext(scratch.folder));
  await change(scratch.folder);
  expect((await hash(folderContext(scratch.folder))).stamp).not.toBe(before.stamp);
});

async function rewrite(file: string): Promise<void> {
  await writeFile(file, "2");
  await utimes(file, 1000, 1000);
}

test("a stamp shows a link that leads to another file of the same size", async () => {
  await using scratch = await createScratch();
  await write(scratch.folder, { "x/a": "1", "x/b": "2", "fn/Dockerfile": "FROM scratch" });
  const context = createDirectoryContext(`${scratch.folder}/fn`, { within: scratch.folder, links: "resolve" });
  await symlink("../x/a", join(scratch.folder, "fn/l"));
  const before = await hash(context);
  await symlink("../x/b", join(scratch.folder, "fn/m"));
  await rename(join(scratch.folder, "fn/m"), join(scratch.folder, "fn/l"));
  const after = await hash(context);
  expect(after.stamp).not.toBe(before.stamp);
  expect(after.content).not.toBe(before.content);
});

test("contexts that lie on no disk have no stamp, and large files are read in pieces", async () => {
  const large = { content: Buffer.alloc(3 * 1024 * 1024 + 7, "0123456789") };
  const first = await hash(createFilesContext({ Dockerfile: { content: "FROM scratch" }, large }));
  expect(first.stamp).toBe("");
  const changed = Buffer.from(large.content);
  changed[3 * 1024 * 1024] = 0;
  expect(await contentOf({ large: { content: changed } })).not.toBe(first.content);
  expect(await contentOf({ large })).toBe(first.content);
});

test("an abort ends it with the caller's reason", async () => {
  const reason = new Error("enough");
  const context = createFilesContext({ a: { content: "1" } });
  await expect(hashContext(context, { walk, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test("whether a further write could go unseen is judged by when the first of it was read", async () => {
  await using scratch = await createScratch();
  await write(scratch.folder, { Dockerfile: "FROM scratch" });
  const settledAt = async (startedMs: number) =>
    (await hashContext(folderContext(scratch.folder), { walk, startedMs, signal })).settled;
  expect([await settledAt(Date.now()), await settledAt(Date.now() + 60_000)]).toEqual([false, true]);
});
