import { type Member, memberBytes, pax, sealed } from "./archives.ts";

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
