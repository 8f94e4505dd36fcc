import { execFileSync } from "node:child_process";
import { chmod, link, mkdir, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createDirectoryContext } from "../../src/contexts/directory.ts";
import { findEntry, modeDirectory, modeFifo, modeSetuid, modeSocket, modeSymlink } from "../../src/model/context.ts";
import { bytesOf, createScratch, listAll, makePipe, pathsOf, textOf } from "./scratch.ts";

const keep = (folder: string) => createDirectoryContext(folder, { within: folder, links: "keep" });
const resolve = (folder: string, within = folder) => createDirectoryContext(folder, { within, links: "resolve" });
const fault = (code: string, ...words: string[]) =>
  expect.objectContaining({ code, message: expect.stringMatching(words.join(".*")) });

describe("a directory as a context", () => {
  test("lists names in the order of their bytes, also where UTF-16 has another", async () => {
    await using scratch = await createScratch();
    const names = ["b", "B", "a.b", "a", "é", "z", "\u{1f600}", "\uffee", "-", "a b"];
    for (const name of names) await writeFile(join(scratch.folder, name), name);
    const expected = names.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
    expect(await pathsOf(keep(scratch.folder))).toEqual(expected);
  });

  test("tells modes as Go does, sizes, and times to the nanosecond", async () => {
    await using scratch = await createScratch();
    const file = join(scratch.folder, "file");
    await writeFile(file, "12345");
    await chmod(file, 0o4751);
    await mkdir(join(scratch.folder, "folder"));
    await chmod(join(scratch.folder, "folder"), 0o705);
    await symlink("nowhere/é", join(scratch.folder, "link"));
    execFileSync("touch", ["-d", "2001-02-03 04:05:06.123456789Z", file]);
    const entries = await keep(scratch.folder).list("");
    expect(entries).toMatchObject([
      { path: "file", mode: 0o751 + modeSetuid, size: 5, modifiedNs: 981173106_123456789n, linkTarget: "" },
      { path: "folder", mode: 0o705 + modeDirectory, size: 0, linkTarget: "" },
      { path: "link", mode: 0o777 + modeSymlink, size: 0, linkTarget: "nowhere/é" },
    ]);
    expect(entries.map((entry) => "rawPath" in entry || "inode" in entry)).toEqual([false, false, false]);
  });

  test("keeps the bytes of names that are no UTF-8, below folders too", async () => {
    await using scratch = await createScratch();
    const folder = Buffer.concat([Buffer.from(`${scratch.folder}/`), Buffer.from([0x66, 0xff])]);
    await mkdir(folder);
    await writeFile(Buffer.concat([folder, Buffer.from("/inner")]), "inside");
    const context = keep(scratch.folder);
    const entries = await listAll(context);
    expect(entries.map(({ path, rawPath }) => [path, rawPath?.toString("latin1")])).toEqual([
      ["f\ufffdff", "f\xff"],
      ["f\ufffdff/inner", "f\xff/inner"],
    ]);
    expect(String(await bytesOf(entries[1] as never))).toBe("inside");
  });

  test("gives hard links one inode, and single files none", async () => {
    await using scratch = await createScratch();
    await writeFile(join(scratch.folder, "one"), "x");
    await link(join(scratch.folder, "one"), join(scratch.folder, "two"));
    await writeFile(join(scratch.folder, "alone"), "x");
    const [alone, one, two] = await keep(scratch.folder).list("");
    expect(alone?.inode).toBeUndefined();
    expect(one?.inode).toMatch(/^\d+:\d+$/);
    expect(two?.inode).toBe(one?.inode);
    expect((await resolve(scratch.folder).list("")).map(({ inode }) => inode)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test.for([0, 1, 255 * 1024, 256 * 1024, 256 * 1024 + 1, 700_000])("reads a file of %i bytes", async (size) => {
    await using scratch = await createScratch();
    const bytes = Buffer.alloc(size, "of-builder ");
    await writeFile(join(scratch.folder, "file"), bytes);
    const entry = await findEntry(keep(scratch.folder), "file");
    expect((await bytesOf(entry as never)).equals(bytes)).toBe(true);
  });

  test("reads small files without a promise", async () => {
    await using scratch = await createScratch();
    await writeFile(join(scratch.folder, "file"), "abc");
    const reader = (await findEntry(keep(scratch.folder), "file"))?.open();
    expect(reader?.read(Buffer.alloc(10))).toBe(3);
    expect(reader?.read(Buffer.alloc(10))).toBe(0);
    expect(reader?.close()).toBeUndefined();
  });

  test("does not read what a file has grown by since it was listed", async () => {
    await using scratch = await createScratch();
    await writeFile(join(scratch.folder, "file"), "abc");
    const entry = await findEntry(keep(scratch.folder), "file");
    await writeFile(join(scratch.folder, "file"), "abcdef");
    expect(String(await bytesOf(entry as never))).toBe("abc");
  });

  test("lists nothing where there is no such folder, a file, a link, or no clean path", async () => {
    await using scratch = await createScratch();
    await mkdir(join(scratch.folder, "folder"));
    await writeFile(join(scratch.folder, "file"), "");
    await symlink("folder", join(scratch.folder, "link"));
    await writeFile(join(scratch.folder, "folder/inner"), "");
    const context = keep(scratch.folder);
    for (const path of ["absent", "file", "link", "link/x", "..", "folder/..", "./folder", "folder//", "/etc"]) {
      expect(await context.list(path), path).toEqual([]);
    }
  });

  test("leaves out names at its top, and only there", async () => {
    await using scratch = await createScratch();
    await mkdir(join(scratch.folder, "sub/build"), { recursive: true });
    await mkdir(join(scratch.folder, "build"));
    const options = { within: scratch.folder, links: "keep" as const, skip: (name: string) => name === "build" };
    expect(await pathsOf(createDirectoryContext(scratch.folder, options))).toEqual(["sub", "sub/build"]);
  });

  test("yields sockets and pipes as they are where links are kept, and opens neither", async () => {
    await using scratch = await createScratch();
    makePipe(join(scratch.folder, "pipe"));
    const server = createServer().listen(join(scratch.folder, "socket"));
    await new Promise((done) => server.once("listening", done));
    try {
      const [pipe, socket] = await keep(scratch.folder).list("");
      expect((pipe?.mode ?? 0) & modeFifo).toBe(modeFifo);
      expect((socket?.mode ?? 0) & modeSocket).toBe(modeSocket);
      expect(() => pipe?.open()).toThrow(fault("context_invalid", "pipe"));
    } finally {
      await new Promise((done) => server.close(done));
    }
  });

  test("refuses a folder that is absent or lies beside its bounds", async () => {
    await using scratch = await createScratch();
    await mkdir(join(scratch.folder, "proj"));
    await mkdir(join(scratch.folder, "proj-secret"));
    const within = join(scratch.folder, "proj");
    expect(() => resolve(join(scratch.folder, "absent"))).toThrow(fault("context_invalid", "absent"));
    expect(() => resolve(join(scratch.folder, "proj-secret"), within)).toThrow(fault("path_forbidden", "proj-secret"));
  });
});

describe("links that are resolved", () => {
  test("become the files and folders that they lead to, inside the whole repository", async () => {
    await using scratch = await createScratch();
    const { folder } = scratch;
    await mkdir(join(folder, "fn"));
    await mkdir(join(folder, "shared/deep"), { recursive: true });
    await writeFile(join(folder, "shared/deep/file"), "shared", { mode: 0o640 });
    await symlink("../shared", join(folder, "fn/relative"));
    await symlink(join(folder, "shared/deep/file"), join(folder, "fn/absolute"));
    await symlink("relative/deep/file", join(folder, "fn/chained"));
    const context = resolve(join(folder, "fn"), folder);
    expect(await pathsOf(context)).toEqual(["absolute", "chained", "relative", "relative/deep", "relative/deep/file"]);
    for (const path of ["absolute", "chained", "relative/deep/file"])
      expect(await textOf(context, path)).toBe("shared");
    expect(await findEntry(context, "chained")).toMatchObject({ mode: 0o640, size: 6, linkTarget: "" });
  });

  test.for<[string, string, string]>([
    ["/etc/passwd", "path_forbidden", "/etc/passwd"],
    ["/proc/self/environ", "path_forbidden", "/proc/self/environ"],
    ["/var/run/secrets", "path_forbidden", "/var/run/secrets"],
    ["/etc", "path_forbidden", "/etc"],
    ["..", "path_forbidden", '"\\.\\."'],
    ["../secret/file", "path_forbidden", "\\.\\./secret/file"],
    ["../checkout-secret/file", "path_forbidden", "checkout-secret"],
    ["outward/x", "path_forbidden", "outward/x"],
    ["/no/such/file", "path_forbidden", "/no/such/file"],
    ["outward/no-such-file", "path_forbidden", "no-such-file"],
    ["dangling-outward", "path_forbidden", "dangling-outward"],
    ["absent", "context_invalid", "leads to nothing"],
    ["a-link", "context_invalid", "runs in a circle"],
  ])("G5 a link to %s is refused with %s, whether it is there or not", async ([target, code, words]) => {
    await using scratch = await createScratch();
    const checkout = join(scratch.folder, "checkout");
    for (const name of ["checkout", "secret", "checkout-secret"]) {
      await mkdir(join(scratch.folder, name));
      await writeFile(join(scratch.folder, name, "file"), "secret");
    }
    await symlink("../secret", join(checkout, "outward"));
    await symlink("/no/such/file", join(checkout, "dangling-outward"));
    await symlink(target, join(checkout, "a-link"));
    await expect(resolve(checkout).list("")).rejects.toThrow(fault(code, '"a-link"', words));
  });

  test("G5 a folder link that leads out is refused at once, not entered", async () => {
    await using scratch = await createScratch();
    await mkdir(join(scratch.folder, "in"));
    await symlink("/etc", join(scratch.folder, "in/sub"));
    const context = resolve(join(scratch.folder, "in"));
    await expect(context.list("sub")).rejects.toThrow(fault("path_forbidden", "sub"));
  });

  test("end in an error where they lead back to a folder above", async () => {
    await using scratch = await createScratch();
    await mkdir(join(scratch.folder, "fn/sub"), { recursive: true });
    await symlink("..", join(scratch.folder, "fn/sub/up"));
    await expect(listAll(resolve(join(scratch.folder, "fn")))).rejects.toThrow(
      fault("context_invalid", "sub/up", "back to itself"),
    );
  });

  test("end in an error where they lead to the repository that holds the function", async () => {
    await using scratch = await createScratch();
    await mkdir(join(scratch.folder, "fn"));
    await symlink("..", join(scratch.folder, "fn/repository"));
    const walk = listAll(resolve(join(scratch.folder, "fn"), scratch.folder));
    await expect(walk).rejects.toThrow(fault("context_invalid", "repository/fn", "back to itself"));
  });

  test("end in an error where two folders link to each other", async () => {
    await using scratch = await createScratch();
    for (const [name, other] of [
      ["a", "b"],
      ["b", "a"],
    ] as const) {
      await mkdir(join(scratch.folder, name));
      await symlink(`../${other}`, join(scratch.folder, name, "other"));
    }
    await expect(listAll(resolve(scratch.folder))).rejects.toThrow(fault("context_invalid", "back to itself"));
  });

  test("end in an error where they fan out into more folders than anyone wants", { timeout: 120_000 }, async () => {
    await using scratch = await createScratch();
    for (let level = 0; level < 14; level++) {
      await mkdir(join(scratch.folder, `level${level}`));
      for (const name of ["left", "right"])
        await symlink(`../level${level + 1}`, join(scratch.folder, `level${level}`, name));
    }
    await mkdir(join(scratch.folder, "level14"));
    await expect(listAll(resolve(scratch.folder))).rejects.toThrow(fault("context_invalid", "more than 10000 folders"));
  });

  test("refuse pipes, which a copy would wait for", async () => {
    await using scratch = await createScratch();
    makePipe(join(scratch.folder, "pipe"));
    await expect(resolve(scratch.folder).list("")).rejects.toThrow(fault("context_invalid", "pipe", "is a pipe"));
  });
});

describe("what is swapped between listing and opening", () => {
  const secret = "/etc/passwd";

  test.for(["keep", "resolve"] as const)("T7 a file that became a link out gives an error, links %s", async (links) => {
    await using scratch = await createScratch();
    await writeFile(join(scratch.folder, "file"), "harmless");
    const entry = await findEntry(createDirectoryContext(scratch.folder, { within: scratch.folder, links }), "file");
    await rm(join(scratch.folder, "file"));
    await symlink(secret, join(scratch.folder, "file"));
    const code = links === "keep" ? "context_invalid" : "path_forbidden";
    expect(() => entry?.open()).toThrow(fault(code, "file"));
  });

  test.for(["keep", "resolve"] as const)(
    "T7 a folder that became a link out gives an error, links %s",
    async (links) => {
      await using scratch = await createScratch();
      await mkdir(join(scratch.folder, "in/sub"), { recursive: true });
      await mkdir(join(scratch.folder, "out"));
      for (const place of ["in/sub", "out"]) await writeFile(join(scratch.folder, place, "file"), "x");
      const within = join(scratch.folder, "in");
      const context = createDirectoryContext(within, { within, links });
      const entry = await findEntry(context, "sub/file");
      await rename(join(within, "sub"), join(within, "moved"));
      await symlink("../out", join(within, "sub"));
      expect(() => entry?.open()).toThrow(fault("path_forbidden", "sub/file"));
      if (links === "keep") expect(await context.list("sub")).toEqual([]);
      else await expect(context.list("sub")).rejects.toThrow(fault("path_forbidden", "sub"));
    },
  );

  test("a file that became a pipe or a folder or is gone gives an error and does not wait", async () => {
    await using scratch = await createScratch();
    const file = join(scratch.folder, "file");
    await writeFile(file, "x");
    await utimes(file, 1, 1);
    const entry = await findEntry(resolve(scratch.folder), "file");
    await rm(file);
    expect(() => entry?.open()).toThrow(fault("context_invalid", "file", "ENOENT"));
    const readOne = () => {
      const reader = entry?.open();
      try {
        return reader?.read(Buffer.alloc(1));
      } finally {
        void reader?.close();
      }
    };
    makePipe(file);
    expect(readOne).toThrow(fault("context_invalid", "file", "is no file any more"));
    await rm(file);
    await mkdir(file);
    expect(readOne).toThrow(fault("context_invalid", "file", "is no file any more"));
  });
});
