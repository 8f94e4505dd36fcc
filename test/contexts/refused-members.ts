import { longLink, longName, type Member, memberBytes, pax, sealed } from "./archives.ts";

/** A body that some readers pass over, and others read as a header. */
const hidden = memberBytes({ name: "context/hidden" });
const link = { type: "2", link: "x" };

/** One record of a PAX header, its length in front. */
const paxRecord = (told: string) => `${told.length + 4} ${told}\n`;

/** What no archive may hold: its title, the members, and words of the message. */
export const refused: readonly [title: string, members: readonly (Member | Buffer)[], message: RegExp][] = [
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
  ["T12 a socket as some tars write it", [{ name: "context/socket", type: "s" }], /"context\/socket" is of type "s"/],
  [
    "T3 a name that climbs behind a drive",
    [{ name: "context/C:../x/../../y" }],
    /"context\/C:\.\.\/x\/\.\.\/\.\.\/y" has "\.\."/,
  ],
  ["T12 a pipe", [{ name: "context/pipe", type: "6" }], /is of type "6"/],
  ["T14 a PAX path that climbs", [pax(["path", "../x"]), { name: "context/ok" }], /has "\.\."/],
  [
    "T14 a PAX linkpath that climbs",
    [pax(["linkpath", "../x"]), { name: "h", type: "1", link: "ok" }],
    /which has "\.\."/,
  ],
  ["T14 a NUL in a PAX path", [pax(["path", "context/a\0b"]), { name: "x" }], /PAX path with a NUL/],
  [
    "T14 a NUL in a PAX linkpath",
    [pax(["linkpath", "ok\0/etc/passwd"]), { name: "context/l", type: "2", link: "ok" }],
    /PAX linkpath with a NUL/,
  ],
  ["T14 a PAX size that is negative", [pax(["size", "-1"]), { name: "x" }], /PAX size/],
  ["T14 a PAX size past the end", [pax(["size", "99999999"]), { name: "x" }], /is cut off/],
  [
    "T14 a PAX size that points into the middle of members",
    [pax(["size", "1"]), { name: "x", body: Buffer.alloc(2000, "x") }],
    /the member "x+" at byte 2048 of the archive has no valid header: its checksum is wrong/,
  ],
  [
    "T14 a file with bytes whose name ends in a slash",
    [{ name: "context/d/", body: hidden }],
    /"context\/d\/" is a folder with a size of 512 bytes/,
  ],
  [
    "T14 an old file with bytes whose name ends in a slash",
    [{ name: "context/d/", type: "\0", body: hidden }],
    /is a folder with a size/,
  ],
  [
    "T14 a contiguous file with bytes whose name ends in a slash",
    [{ name: "context/d/", type: "7", body: hidden }],
    /is a folder with a size/,
  ],
  [
    "T14 a file with bytes whose PAX path ends in a slash",
    [pax(["path", "context/d/"]), { name: "x", body: hidden }],
    /is a folder with a size/,
  ],
  [
    "T14 a file with bytes whose long name ends in a slash",
    [longName("context/d/"), { name: "x", body: hidden }],
    /is a folder with a size/,
  ],
  [
    "T14 a file of a PAX size whose name ends in a slash",
    [pax(["size", "512"]), { name: "context/d/", body: hidden, size: 0 }],
    /is a folder with a size/,
  ],
  [
    "T14 a folder of a PAX size",
    [pax(["size", "512"]), { name: "context/d", type: "5", body: hidden, size: 0 }],
    /is a folder with a size/,
  ],
  ["T14 a symbolic link with bytes", [{ name: "context/l", ...link, body: hidden }], /is a symbolic link with a size/],
  [
    "T14 a symbolic link of a PAX size",
    [pax(["size", "512"]), { name: "context/l", ...link, body: hidden, size: 0 }],
    /is a symbolic link with a size/,
  ],
  [
    "T14 a hard link with bytes",
    [{ name: "x" }, { name: "context/h", type: "1", link: "x", body: hidden }],
    /is a hard link with a size/,
  ],
  [
    "T14 a hard link with a size and no bytes",
    [{ name: "x" }, { name: "context/h", type: "1", link: "x", size: 512 }],
    /is a hard link with a size/,
  ],
  [
    "T14 a hard link of a PAX size",
    [{ name: "x" }, pax(["size", "512"]), { name: "context/h", type: "1", link: "x", body: hidden, size: 0 }],
    /is a hard link with a size/,
  ],
  ...["path=../xx", "linkpath=x", "size=512"].map((told): (typeof refused)[number] => [
    `T14 a global header that tells ${told} of all members`,
    [
      { name: "g", type: "g", body: paxRecord(told) },
      { name: "context/a", body: "a" },
    ],
    /"g" tells a name, a link or a size of all members/,
  ]),
  [
    "T14 a global header between a header and its member",
    [pax(["path", "context/a"]), { name: "g", type: "g", body: "18 comment=a word\n" }, { name: "x" }],
    /"g" stands between a member and the header that describes it/,
  ],
  ...["ustar  \0", "ustar 00", "\0".repeat(8)].map((magic): (typeof refused)[number] => [
    `T14 a front part of a name under the magic ${JSON.stringify(magic)}`,
    [withPrefix(magic)],
    /has the front part of a name where only POSIX headers have one/,
  ]),
  [
    "T14 two PAX headers of one member",
    [pax(["path", "context/a"]), pax(["mtime", "1"]), { name: "x" }],
    /"PaxHeader\/x" is the second PAX header/,
  ],
  [
    "T14 two PAX headers of one member with another header between them",
    [pax(["atime", "1"]), longName("context/a"), pax(["ctime", "1"]), { name: "x" }],
    /is the second PAX header/,
  ],
  ["T14 two long names of one member", [longName("context/a"), longName("context/b"), { name: "x" }], /second time/],
  ["T14 two long links of one member", [longLink("a"), longLink("b"), { name: "x", ...link }], /second time/],
  [
    "T14 a long name after a PAX path",
    [pax(["path", "context/a"]), longName("context/b"), { name: "x" }],
    /"\.\/\.\/@LongLink" tells the name or the link of one member for the second time/,
  ],
  [
    "T14 a PAX path after a long name",
    [longName("context/b"), pax(["path", "context/a"]), { name: "x" }],
    /second time/,
  ],
  [
    "T14 a long link after a PAX linkpath",
    [pax(["linkpath", "a"]), longLink("b"), { name: "x", ...link }],
    /second time/,
  ],
  [
    "T14 a PAX linkpath after a long link",
    [longLink("b"), pax(["linkpath", "a"]), { name: "x", ...link }],
    /second time/,
  ],
  ["T14 an empty PAX path", [pax(["path", ""]), { name: "context/d", type: "5" }], /"context\/d" has an empty name/],
  ["T14 an empty long name", [longName(""), { name: "context/d", type: "5" }], /"context\/d" has an empty name/],
  [
    "T14 a PAX header at the end",
    [pax(["path", "context/a"])],
    /"PaxHeader\/x" describes the member after it, and none follows/,
  ],
  ["T14 a PAX header that tells nothing at the end", [pax()], /none follows/],
  ["T14 a long name at the end", [longName("context/a")], /none follows/],
  ["T14 a long link at the end", [longLink("a")], /none follows/],
  [
    "T15 a size that is negative",
    [withField(124, Buffer.alloc(12, 0xff))],
    /the member "x" at byte 0 of the archive has a size that is none/,
  ],
  [
    "T15 a size of 8 EiB",
    [withField(124, Buffer.from([0x80, 0, 0, 0, 0x7f, 255, 255, 255, 255, 255, 255, 255]))],
    /the member "x" at byte 0 of the archive has a number in its header/,
  ],
  ["T15 a size that is no number", [withField(124, Buffer.from("zz\0"))], /the member "x" at byte 0 .* size/],
  ["T15 a size of 8 GiB less one", [{ name: "x", size: 0o77777777777 }], /is cut off/],
  ["T16 a sparse file of GNU", [{ name: "x", type: "S" }], /is of type "S"/],
  ["T16 a sparse file of PAX", [pax(["GNU.sparse.major", "1"]), { name: "x" }], /sparse/],
  [
    "T16 a sparse file of PAX that only has another name",
    [pax(["GNU.sparse.name", "context/a"]), { name: "x" }],
    /"PaxHeader\/x" is a sparse file/,
  ],
  ["T16 a sparse file of star", [pax(["SCHILY.realsize", "1099511627776"]), { name: "x" }], /sparse/],
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
  [
    "T23 a line end and a terminal's escape in the target of a link is escaped",
    [{ name: "context/h", type: "1", link: "/\u001b[2J\r\n" }],
    /hard link to "\/\\u001b\[2J\\r\\n"/,
  ],
  [
    "T23 a sign that turns the line around in a PAX path is escaped",
    [pax(["path", "/\u202eoops"]), { name: "x" }],
    /"\/\\u202eoops" has an absolute path/,
  ],
  ["T23 a line end as a type is escaped", [{ name: "x", type: "\n" }], /is of type "\\n"/],
  [
    "T23 a terminal's escape in what is no header is escaped",
    [Buffer.from(memberBytes({ name: "\u001b[31m" })).fill("y", 400, 401)],
    /the member "\\u001b\[31m" at byte 0 .* checksum is wrong/,
  ],
  ["a link to nothing", [{ name: "x", type: "2" }], /link to nothing/],
  ["a file without a name", [{ name: "./", type: "2", link: "x" }], /has no name/],
  [
    "T15 a size that is none, of a member whose name stands before it",
    [pax(["path", "context/long name"]), withField(124, Buffer.alloc(12, 0xff))],
    /the member "context\/long name" at byte \d+ of the archive has a size that is none/,
  ],
  [
    "a header that was changed",
    [Buffer.from(memberBytes({ name: "x" })).fill("y", 0, 1)],
    /the member "y" at byte 0 .* checksum is wrong/,
  ],
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

function withPrefix(magic: string): Buffer {
  const block = memberBytes({ name: "context/a" });
  block.write(magic, 257, "latin1");
  block.write("up", 345);
  return sealed(block);
}
