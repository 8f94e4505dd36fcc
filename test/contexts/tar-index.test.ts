import { execFileSync } from "node:child_process";
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openArchive } from "../../src/contexts/archive.ts";
import { indexTar } from "../../src/contexts/tar-index.ts";
import { findEntry, modeDirectory, modeSymlink } from "../../src/model/context.ts";
import { archive, type Member, openBytes, openingIn, pax, paxOfPackage } from "./archives.ts";
import { bytesOf, createScratch, listAll, pathsOf, textOf } from "./scratch.ts";

const context: Member = { name: "context", type: "5", mode: 0o755 };

describe("the index of an archive", () => {
  test("serves what GNU tar wrote with ./ before each name, config files beside the context", async () => {
    await using scratch = await createScratch();
    const source = join(scratch.folder, "source");
    await mkdir(join(source, "context/sub"), { recursive: true });
    await writeFile(join(source, "config"), '{"Ref": "x"}\n');
    await writeFile(join(source, "context/Dockerfile"), "FROM busybox");
    await writeFile(join(source, "context/sub/run"), "#!", { mode: 0o755 });
    await chmod(join(source, "context/sub"), 0o711);
    await symlink("sub/run", join(source, "context/link"));
    execFileSync("tar", ["cf", join(scratch.folder, "x.tar"), "--mtime=@1000000000", "-C", source, "."]);
    const { context: served, readFile } = await openArchive(join(scratch.folder, "x.tar"), openingIn(scratch.folder));
    expect(await pathsOf(served)).toEqual(["Dockerfile", "link", "sub", "sub/run"]);
    expect(await textOf(served, "Dockerfile")).toBe("FROM busybox");
    expect(await findEntry(served, "link")).toMatchObject({
      mode: modeSymlink + 0o777,
      linkTarget: "sub/run",
      size: 0,
    });
    expect(await findEntry(served, "sub")).toMatchObject({ mode: modeDirectory + 0o711 });
    expect(await findEntry(served, "sub/run")).toMatchObject({
      mode: 0o755,
      size: 2,
      modifiedNs: 1_000_000_000_000_000_000n,
    });
    expect(String(await readFile("config", 100))).toBe('{"Ref": "x"}\n');
    expect(await readFile("com.openfaas.docker.config", 100)).toBeUndefined();
  });

  test.for(["gnu", "pax", "ustar", "v7"])("understands long and odd names in the form %s", async (format) => {
    await using scratch = await createScratch();
    const source = join(scratch.folder, "source/context");
    const isLong = format === "gnu" || format === "pax";
    const folder = isLong ? `${"d".repeat(120)}/${"e".repeat(130)}` : "folder";
    await mkdir(join(source, folder), { recursive: true });
    await writeFile(join(source, folder, "é n\\ame"), "inside");
    if (isLong) await symlink(`${folder}/é n\\ame`, join(source, "link"));
    const tar = join(scratch.folder, "x.tar");
    execFileSync("tar", ["cf", tar, `--format=${format}`, "-C", join(scratch.folder, "source"), "context"]);
    const { context: served } = await openArchive(tar, openingIn(scratch.folder));
    expect(await textOf(served, `${folder}/é n\\ame`)).toBe("inside");
    if (isLong) expect((await findEntry(served, "link"))?.linkTarget).toBe(`${folder}/é n\\ame`);
  });

  test("serves files of every size from where they lie", async () => {
    const sizes = [0, 1, 511, 512, 513, 256 * 1024, 256 * 1024 + 1, 3_000_000];
    const files = sizes.map((size) => ({ name: `context/${size}`, body: Buffer.alloc(size, `${size} `) }));
    await using opened = await openBytes(archive(context, ...files));
    for (const entry of await opened.index.context("context").list("")) {
      const expected = files.find(({ name }) => name === `context/${entry.path}`)?.body;
      expect((await bytesOf(entry)).equals(expected as Buffer), entry.path).toBe(true);
    }
  });

  test("makes folders that are missing on the way, with mode 0755", async () => {
    await using opened = await openBytes(archive({ name: "context/a/b/file", body: "x" }));
    const served = opened.index.context("context");
    expect(await pathsOf(served)).toEqual(["a", "a/b", "a/b/file"]);
    expect(await findEntry(served, "a/b")).toMatchObject({ mode: modeDirectory + 0o755 });
  });

  test("T21 lets the last of two members win, a folder in the place of a file, too; folders merge and take the later mode", async () => {
    await using opened = await openBytes(
      archive(
        context,
        { name: "context/dir/", type: "5", mode: 0o700 },
        { name: "context/dir/kept", body: "1" },
        { name: "context/dir", type: "5", mode: 0o711 },
        { name: "context/file", body: "first" },
        { name: "./context//file", body: "last" },
        { name: "context/replaced/below", body: "gone" },
        { name: "context/replaced", body: "file now" },
        { name: "context/other", body: "a file" },
        { name: "context/other", type: "5" },
        { name: "context/other/inside", body: "x" },
      ),
    );
    const served = opened.index.context("context");
    expect(await pathsOf(served)).toEqual(["dir", "dir/kept", "file", "other", "other/inside", "replaced"]);
    expect(await textOf(served, "file")).toBe("last");
    expect(await findEntry(served, "dir")).toMatchObject({ mode: modeDirectory + 0o711 });
  });

  test("keeps the bytes of names that are no UTF-8", async () => {
    const name = Buffer.concat([Buffer.from("context/"), Buffer.from([0xff, 0x2f, 0xfe])]);
    await using opened = await openBytes(archive({ name, body: "x" }));
    const entries = await listAll(opened.index.context("context"));
    expect(entries.map(({ rawPath }) => rawPath?.toString("hex"))).toEqual(["ff", "ff2ffe"]);
    expect(String(await bytesOf(entries[1] as never))).toBe("x");
  });

  test("takes times with fractions and long paths from PAX headers", async () => {
    const long = `context/${"x".repeat(90)}/${"y".repeat(90)}`;
    await using opened = await openBytes(
      archive(context, pax(["mtime", "-1.5"]), { name: "context/a" }, paxOfPackage(long), {
        name: "short",
        body: "long",
      }),
    );
    const served = opened.index.context("context");
    expect(await findEntry(served, "a")).toMatchObject({ modifiedNs: -1_500_000_000n });
    expect(await textOf(served, long.slice("context/".length))).toBe("long");
  });

  test("gives no file for a folder, a link or nothing, and refuses a large one", async () => {
    await using opened = await openBytes(
      archive(
        context,
        { name: "config", type: "5" },
        { name: "link", type: "2", link: "x" },
        { name: "big", body: "12345" },
      ),
    );
    const { index } = opened;
    expect(await index.readFile("config", 10)).toBeUndefined();
    expect(await index.readFile("link", 10)).toBeUndefined();
    expect(await index.readFile("absent/x", 10)).toBeUndefined();
    expect(String(await index.readFile("big", 5))).toBe("12345");
    await expect(index.readFile("big", 4)).rejects.toMatchObject({ code: "tar_invalid" });
  });

  test("stops when it is told to", async () => {
    await using scratch = await createScratch();
    await writeFile(join(scratch.folder, "x.tar"), archive(context));
    const stopped = AbortSignal.abort(new Error("stopped"));
    await expect(indexTar(join(scratch.folder, "x.tar"), { signal: stopped })).rejects.toThrow("stopped");
  });
});
