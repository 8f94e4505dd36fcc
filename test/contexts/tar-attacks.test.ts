import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openArchive } from "../../src/contexts/archive.ts";
import { findEntry, readText } from "../../src/model/context.ts";
import { archive, type Member, memberBytes, openBytes, openingIn, pax, sealed } from "./archives.ts";
import { createScratch, pathsOf, textOf } from "./scratch.ts";

const context: Member = { name: "context", type: "5", mode: 0o755 };

/** What is refused: the members, and words of the message. */
const refused: readonly [string, readonly (Member | Buffer)[], RegExp][] = [
  ["T1 a name that climbs", [{ name: "context/../../etc/passwd" }], /"context\/\.\.\/\.\.\/etc\/passwd" has "\.\."/],
  ["T1 a name that only begins with ..", [{ name: "../x" }], /has "\.\."/],
  ["T2 an absolute name", [{ name: "/etc/passwd" }], /"\/etc\/passwd" has an absolute path/],
  [
    "T4 a file below a link",
    [{ name: "context/l", type: "2", link: "/etc" }, { name: "context/l/x" }],
    /lies below "context\/l", which is a link/,
  ],
  [
    "T6 a file below a chain of links",
    [{ name: "a", type: "2", link: "." }, { name: "b", type: "2", link: "a" }, { name: "b/c/d" }],
    /lies below "b"/,
  ],
  ["a file below a file", [{ name: "context/f", body: "x" }, { name: "context/f/x" }], /which is a file/],
  [
    "T8 a hard link to an absolute path",
    [{ name: "context/h", type: "1", link: "/etc/passwd" }],
    /hard link to "\/etc\/passwd", which has an absolute path/,
  ],
  ["T9 a hard link that climbs", [{ name: "context/h", type: "1", link: "../../etc/passwd" }], /which has "\.\."/],
  [
    "T10 a hard link before its target",
    [{ name: "context/h", type: "1", link: "context/f" }, { name: "context/f" }],
    /no earlier file/,
  ],
  [
    "T8 a hard link to a symbolic link",
    [
      { name: "s", type: "2", link: "/etc/passwd" },
      { name: "h", type: "1", link: "s" },
    ],
    /no earlier file/,
  ],
  ["T12 a character device", [{ name: "context/null", type: "3" }], /is of type "3"/],
  ["T12 a block device", [{ name: "context/sda", type: "4" }], /is of type "4"/],
  ["T12 a pipe", [{ name: "context/pipe", type: "6" }], /is of type "6"/],
  ["T14 a PAX path that climbs", [pax(["path", "../x"]), { name: "context/ok" }], /has "\.\."/],
  [
    "T14 a PAX linkpath that climbs",
    [pax(["linkpath", "../x"]), { name: "h", type: "1", link: "ok" }],
    /which has "\.\."/,
  ],
  ["T14 a NUL in a PAX path", [pax(["path", "context/a\0b"]), { name: "x" }], /PAX path with a NUL/],
  ["T14 a PAX size that is negative", [pax(["size", "-1"]), { name: "x" }], /PAX size/],
  ["T14 a PAX size past the end", [pax(["size", "99999999"]), { name: "x" }], /is cut off/],
  [
    "T14 a PAX size that points into the middle of members",
    [pax(["size", "1"]), { name: "x", body: Buffer.alloc(2000, "x") }],
    /checksum is wrong/,
  ],
  ["T15 a size that is negative", [withField(124, Buffer.alloc(12, 0xff))], /size that is none/],
  [
    "T15 a size of 8 EiB",
    [withField(124, Buffer.from([0x80, 0, 0, 0, 0x7f, 255, 255, 255, 255, 255, 255, 255]))],
    /number in its header/,
  ],
  ["T15 a size that is no number", [withField(124, Buffer.from("zz\0"))], /size/],
  ["T15 a size of 8 GiB less one", [{ name: "x", size: 0o77777777777 }], /is cut off/],
  ["T16 a sparse file of GNU", [{ name: "x", type: "S" }], /is of type "S"/],
  ["T16 a sparse file of PAX", [pax(["GNU.sparse.major", "1"]), { name: "x" }], /sparse/],
  ["T18 a path of 200 folders", [pax(["path", "a/".repeat(200)]), { name: "x" }], /lies deeper than 128 folders/],
  [
    "T18 a path of 5000 bytes",
    [pax(["path", `${"a".repeat(200)}/`.repeat(25)]), { name: "x" }],
    /path longer than 4096 bytes/,
  ],
  ["T18 a name of 256 bytes", [pax(["path", "é".repeat(128)]), { name: "x" }], /name longer than 255 bytes/],
  [
    "T18 an extended header of 2 MiB",
    [{ name: "x", type: "x", body: Buffer.alloc(2 ** 21, "x") }],
    /extended header larger/,
  ],
  ["T23 a terminal's escape in a name is escaped", [{ name: "/\u001b[31m\u009b" }], /"\/\\u001b\[31m\\u009b"/],
  ["a link to nothing", [{ name: "x", type: "2" }], /link to nothing/],
  ["a file without a name", [{ name: "./", type: "2", link: "x" }], /has no name/],
  ["a header that was changed", [Buffer.from(memberBytes({ name: "x" })).fill("y", 0, 1)], /checksum is wrong/],
  [
    "a PAX record of a wrong length",
    [{ name: "x", type: "x", body: "99 path=x\n" }, { name: "x" }],
    /PAX record whose length/,
  ],
];

function withField(offset: number, bytes: Buffer): Buffer {
  const block = memberBytes({ name: "x" });
  bytes.copy(block, offset);
  return sealed(block);
}

describe("an archive is refused that holds", () => {
  test.for(refused)("%s", async ([, members, message]) => {
    const opening = openBytes(archive(...members));
    await expect(opening).rejects.toMatchObject({ code: "tar_invalid", message: expect.stringMatching(message) });
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
    await using opened = await openBytes(archive({ name: "context/C:x" }, { name: "context/C:\\..\\y" }));
    expect(await pathsOf(opened.index.context("context"))).toEqual(["C:\\..\\y", "C:x"]);
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
    const global = memberBytes({ name: "g", type: "g", body: "14 path=../xx\n" });
    const longName = memberBytes({ name: "././@LongLink", type: "L", body: "context/long\0" });
    await using opened = await openBytes(
      archive(
        global,
        pax(["size", "3"]),
        longName,
        { name: "x", body: "abc", size: 0 },
        { name: "context/next", body: "next" },
      ),
    );
    const served = opened.index.context("context");
    expect(await textOf(served, "long")).toBe("abc");
    expect(await textOf(served, "next")).toBe("next");
  });

  test("T21 has of two config files the last", async () => {
    const config = "com.openfaas.docker.config";
    await using opened = await openBytes(
      archive({ name: config, body: "first" }, context, { name: `./${config}`, body: "last" }),
    );
    expect(String(await opened.index.readFile(config, 100))).toBe("last");
  });

  test("T23 may have names with line ends, colons and other case", async () => {
    const names = ["a\nb", "a:b", "README", "readme", "__proto__", "constructor"];
    await using opened = await openBytes(archive(...names.map((name) => ({ name: `context/${name}`, body: name }))));
    const served = opened.index.context("context");
    for (const name of names) expect(await textOf(served, name)).toBe(name);
  });

  test("T25 may have a Dockerfile that is a link: the daemon resolves it in its own copy", async () => {
    await using opened = await openBytes(
      archive(context, { name: "context/Dockerfile", type: "2", link: "/etc/passwd" }),
    );
    expect(await findEntry(opened.index.context("context"), "Dockerfile")).toMatchObject({ linkTarget: "/etc/passwd" });
  });
});
