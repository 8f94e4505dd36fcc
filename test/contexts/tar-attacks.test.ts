import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openArchive } from "../../src/contexts/archive.ts";
import { findEntry, readText } from "../../src/model/context.ts";
import { archive, longLink, longName, type Member, memberBytes, openBytes, openingIn, pax } from "./archives.ts";
import { refused } from "./refused-members.ts";
import { createScratch, pathsOf, textOf } from "./scratch.ts";

const context: Member = { name: "context", type: "5", mode: 0o755 };

describe("an archive is refused that holds", () => {
  test.for(refused)("%s", async ([, members, message]) => {
    const opening = openBytes(archive(...members));
    await expect(opening).rejects.toMatchObject({ code: "tar_invalid", message: expect.stringMatching(message) });
    // T23: of names nothing raw reaches a terminal or a log.
    await expect(opening).rejects.not.toThrow(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/u);
  });

  test("T19 more files, or folders on the way to them, than allowed", async () => {
    const limits = { maxEntries: 10, maxPathBytes: 100, maxDepth: 50 };
    const many = Array.from({ length: 11 }, (_, n) => ({ name: `f${n}` }));
    const repeated = Array.from({ length: 11 }, () => ({ name: "same" }));
    for (const members of [many, repeated, [{ name: "a/b/c/d/e/f/g/h/i/j/k" }]]) {
      await expect(openBytes(archive(...members), limits)).rejects.toThrow("more than 10 members");
    }
    await using enough = await openBytes(archive(...many.slice(1)), limits);
    expect(() => enough.index.context("f1")).toThrow('no folder "f1"');
  });

  test("T19 more than half a million members, where nothing else is allowed", async () => {
    await using scratch = await createScratch();
    const file = join(scratch.folder, "many.tar");
    const thousand = Buffer.concat(Array.from({ length: 1000 }, (_, n) => memberBytes({ name: `context/${n}` })));
    const output = await open(file, "w");
    try {
      for (let thousands = 0; thousands < 500; thousands += 1) await output.write(thousand);
      await output.write(archive({ name: "context/one-more" }));
    } finally {
      await output.close();
    }
    await expect(openArchive(file, openingIn(scratch.folder))).rejects.toMatchObject({
      code: "tar_invalid",
      message: "the archive has more than 500000 members and folders",
    });
  });

  test("T20 nothing, no tar, less than it should, or more after its end", async () => {
    const whole = archive({ name: "context/x", body: "12345" });
    const cuts: [Buffer, RegExp][] = [
      [Buffer.alloc(0), /incomplete/],
      [Buffer.from("not a tar archive"), /no tar archive/],
      [Buffer.alloc(2048, "x"), /checksum|number/],
      [whole.subarray(0, 512 + 3), /is cut off/],
      [whole.subarray(0, 1024), /without its end mark/],
      [whole.subarray(0, 700), /end mark|is cut off/],
      [Buffer.concat([whole, Buffer.from("x")]), /goes on after its end mark/],
      [Buffer.concat([whole, whole]), /goes on after its end mark/],
    ];
    for (const [bytes, message] of cuts) {
      await expect(openBytes(bytes), String(message)).rejects.toMatchObject({
        code: "tar_invalid",
        message: expect.stringMatching(message),
      });
    }
    await using filled = await openBytes(Buffer.concat([whole, Buffer.alloc(20_000)]));
    expect(await textOf(filled.index.context("context"), "x")).toBe("12345");
  });

  test("T24 no folder context", async () => {
    await using scratch = await createScratch();
    const file = join(scratch.folder, "x.tar");
    for (const members of [
      [{ name: "Dockerfile" }],
      [{ name: "context", body: "a file" }],
      [{ name: "context", type: "2", link: "." }],
    ]) {
      await writeFile(file, archive(...members));
      await expect(openArchive(file, openingIn(scratch.folder))).rejects.toMatchObject({
        message: 'the archive has no folder "context"',
      });
    }
  });
});

describe("an archive that is let in", () => {
  test("T3 keeps a drive-relative name as a plain name", async () => {
    const names = ["C:x", "C:../x", "C:\\..\\y"];
    await using opened = await openBytes(archive(...names.map((name) => ({ name: `context/${name}` }))));
    const served = opened.index.context("context");
    expect(await pathsOf(served)).toEqual(["C:..", "C:../x", "C:\\..\\y", "C:x"]);
  });

  test("T5 keeps links as they are, wherever they point: nobody follows them here", async () => {
    await using opened = await openBytes(archive(context, { name: "context/l", type: "2", link: "/etc/passwd" }));
    const served = opened.index.context("context");
    const entry = await findEntry(served, "l");
    expect(entry).toMatchObject({ linkTarget: "/etc/passwd" });
    expect(() => entry?.open()).toThrow();
    expect(await served.list("l")).toEqual([]);
  });

  test("T7 has no race for a link to win: members that take each other's place lead nowhere, at the same time too", async () => {
    await using scratch = await createScratch();
    const outside = join(scratch.folder, "outside");
    await mkdir(outside);
    await writeFile(join(outside, "file"), "untouched");
    const link: Member = { name: "context/place", type: "2", link: outside };
    const folder: Member = { name: "context/place", type: "5", mode: 0o755 };
    const file: Member = { name: "context/place/file", body: "of the archive" };
    const rows: readonly [members: readonly Member[], text: string | undefined][] = [
      [[folder, link, folder, file], "of the archive"],
      [[folder, file, link], undefined],
      [[folder, file, link, folder], undefined],
    ];
    const opened = Array.from({ length: 8 }, () => rows).flat();
    await Promise.all(
      opened.map(async ([members, text]) => {
        await using archived = await openBytes(archive(context, ...members));
        expect(await readText(archived.index.context("context"), "place/file", 100)).toBe(text);
      }),
    );
    await expect(openBytes(archive(context, folder, link, file))).rejects.toThrow(/lies below "context\/place"/);
    expect(await readFile(join(outside, "file"), "utf8")).toBe("untouched");
  });

  test("T8 serves a hard link from the bytes of its target, even when that is replaced later", async () => {
    await using opened = await openBytes(
      archive(
        { name: "context/target", body: "shared" },
        { name: "context/link", type: "1", link: "./context/target" },
        { name: "context/more", type: "1", link: "context/link" },
        { name: "context/target", body: "other" },
      ),
    );
    const served = opened.index.context("context");
    expect(await textOf(served, "link")).toBe("shared");
    expect(await textOf(served, "target")).toBe("other");
    const inodes = (await served.list("")).map(({ path, inode }) => [path, inode !== undefined]);
    expect(inodes).toEqual([
      ["link", true],
      ["more", true],
      ["target", false],
    ]);
    const [link, more] = await served.list("");
    expect(link?.inode).toBe(more?.inode);
  });

  test("T11 keeps names apart that a folding disk would take for one", async () => {
    const names = ["ﬀ", "ff", "FF", "é", "e\u0301"];
    await using opened = await openBytes(archive(...names.map((name) => ({ name: `context/${name}`, body: name }))));
    const served = opened.index.context("context");
    for (const name of names) expect(await textOf(served, name)).toBe(name);
  });

  test("T13 keeps no owner and no setuid, setgid or sticky bit", async () => {
    await using opened = await openBytes(archive(context, { name: "context/su", mode: 0o7755, uid: 1234 }));
    expect(await findEntry(opened.index.context("context"), "su")).toMatchObject({ mode: 0o755 });
  });

  test("T14 applies a PAX header to the next file only, not to headers between, and passes over global ones", async () => {
    const global = memberBytes({ name: "g", type: "g", body: "18 comment=a word\n" });
    await using opened = await openBytes(
      archive(
        global,
        pax(["size", "3"]),
        longName("context/long"),
        { name: "x", body: "abc", size: 0 },
        { name: "context/next", body: "next" },
      ),
    );
    const served = opened.index.context("context");
    expect(await textOf(served, "long")).toBe("abc");
    expect(await textOf(served, "next")).toBe("next");
  });

  test.for<readonly [title: string, members: readonly (Member | Buffer)[], entry: object]>([
    ["path", [pax(["path", "context/a"]), { name: "/x", body: "abc" }], { path: "a", size: 3 }],
    ["the last of two paths", [pax(["path", "/x"], ["path", "context/a"]), { name: "x" }], { path: "a", size: 0 }],
    ["size", [pax(["size", "3"]), { name: "context/a", body: "abc", size: 0 }], { path: "a", size: 3 }],
    ["a size below the header's", [pax(["size", "1"]), { name: "context/a", body: "abc" }], { path: "a", size: 1 }],
    [
      "path and size together",
      [pax(["path", "context/a"], ["size", "2"]), { name: "x", body: "abc" }],
      { path: "a", size: 2 },
    ],
    [
      "path of a link, whose target GNU's header has",
      [pax(["path", "context/a"]), longLink("b"), { name: "x", type: "2", link: "x" }],
      { path: "a", size: 0, linkTarget: "b" },
    ],
    [
      "linkpath of a link, whose name GNU's header has",
      [longName("context/a"), pax(["linkpath", "b"]), { name: "x", type: "2", link: "x" }],
      { path: "a", size: 0, linkTarget: "b" },
    ],
    ["nothing", [pax(), { name: "context/a", body: "abc" }], { path: "a", size: 3 }],
  ])(
    "T14 has a name and a size as its PAX header says, and so has the member after it: %s",
    async ([, members, entry]) => {
      await using opened = await openBytes(archive(...members, { name: "context/next", body: "next" }));
      expect(await opened.index.context("context").list("")).toMatchObject([entry, { path: "next", size: 4 }]);
    },
  );

  test("T14 may have folders with the size that they take on a disk: no reader looks for bytes there", async () => {
    await using opened = await openBytes(
      archive({ ...context, size: 4096 }, { name: "context/a", body: "abc" }, { name: "context/d/", type: "\0" }),
    );
    expect(await pathsOf(opened.index.context("context"))).toEqual(["a", "d"]);
  });

  test("T16 has the size of its header where PAX says something of it that is no size", async () => {
    const told = pax(["SCHILY.dev", "4096"], ["LIBARCHIVE.creationtime", "4096"], ["comment", "size=4096"]);
    await using opened = await openBytes(archive(told, { name: "context/a", body: "abc" }));
    expect(await opened.index.context("context").list("")).toMatchObject([{ path: "a", size: 3 }]);
  });

  test("T21 has of two config files the last", async () => {
    const config = "com.openfaas.docker.config";
    await using opened = await openBytes(
      archive({ name: config, body: "first" }, context, { name: `./${config}`, body: "last" }),
    );
    expect(String(await opened.index.readFile(config, 100))).toBe("last");
  });

  test("T23 may have names with line ends, a terminal's escapes, colons and other case: they are served as they are", async () => {
    const names = ["a\nb", "\u001b[31mred", "a:b", "README", "readme", "__proto__", "constructor"];
    await using opened = await openBytes(archive(...names.map((name) => ({ name: `context/${name}`, body: name }))));
    const served = opened.index.context("context");
    for (const name of names) expect(await textOf(served, name)).toBe(name);
    const tooLarge = opened.index.readFile("context/\u001b[31mred", 1);
    await expect(tooLarge).rejects.toThrow('archive member "context/\\u001b[31mred" is larger than 1 bytes');
    expect(() => opened.index.context("a\nb")).toThrow('no folder "a\\nb"');
  });

  test("T25 may have a Dockerfile that is a link: the daemon resolves it in its own copy", async () => {
    await using opened = await openBytes(
      archive(context, { name: "context/Dockerfile", type: "2", link: "/etc/passwd" }),
    );
    expect(await findEntry(opened.index.context("context"), "Dockerfile")).toMatchObject({ linkTarget: "/etc/passwd" });
  });
});
