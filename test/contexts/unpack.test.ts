import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { constants, createZstdCompress, gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { unpack } from "../../src/contexts/unpack.ts";
import { findProgram } from "../../src/parts/find-program.ts";
import { createScratch } from "./scratch.ts";

const { signal } = new AbortController();
const find = (name: string) => findProgram(name, { path: process.env.PATH ?? "" });
const packWith = (program: string) => (bytes: Buffer) =>
  execFileSync(program, ["-1c"], { input: bytes, maxBuffer: 2 ** 30 });

const forms: readonly [string, (bytes: Buffer) => Buffer][] = [
  ["gzip", gzipSync],
  ["zstd", (bytes) => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })],
  ["bzip2", packWith("bzip2")],
  ["xz", packWith("xz")],
];

async function unpackBytes(bytes: Buffer, changes: { maxBytes?: number; stop?: AbortSignal; find?: typeof find } = {}) {
  await using scratch = await createScratch();
  const file = join(scratch.folder, "packed");
  writeFileSync(file, bytes);
  const target = join(scratch.folder, "plain");
  const options = { target, maxBytes: changes.maxBytes ?? 2 ** 30, findProgram: changes.find ?? find };
  const plain = await unpack(file, { ...options, signal: changes.stop ?? signal });
  return { bytes: readFileSync(plain), isCopied: plain === target, files: readdirSync(scratch.folder) };
}

const plain = Buffer.from(Array.from({ length: 20_000 }, (_, n) => `line ${n * n}\n`).join(""));

describe.for(forms)("%s", ([name, pack]) => {
  test("is unpacked", async () => {
    expect((await unpackBytes(pack(plain))).bytes.equals(plain)).toBe(true);
  });

  test("is refused where it is cut off, changed, or only begins so", async () => {
    const packed = pack(plain);
    const changed = Buffer.from(packed).fill(0x55, packed.length >> 1, (packed.length >> 1) + 50);
    for (const bytes of [packed.subarray(0, packed.length >> 1), changed, packed.subarray(0, 8)]) {
      await expect(unpackBytes(bytes)).rejects.toMatchObject({
        code: "tar_invalid",
        message: expect.stringContaining(`cannot be unpacked with ${name}: `),
      });
    }
  });

  test("T17 is no way to fill the disk", async () => {
    const bomb = pack(Buffer.alloc(80_000_000));
    const refused = { code: "body_too_large", message: expect.stringContaining("unpacked body is larger than") };
    await expect(unpackBytes(bomb)).rejects.toMatchObject(refused);
    await expect(unpackBytes(pack(plain), { maxBytes: 1000 })).rejects.toMatchObject(refused);
  }, 60_000);

  test("stops when it is told to", async () => {
    const stop = AbortSignal.abort(new Error("stopped"));
    await expect(unpackBytes(pack(plain), { stop })).rejects.toThrow("stopped");
  });
});

test.for(forms)(
  "%s of several streams in a row is unpacked whole, and refused where one is broken",
  async ([, pack]) => {
    const [one, other] = [pack(plain), pack(Buffer.from("the other"))];
    const { bytes } = await unpackBytes(Buffer.concat([one, other, one]));
    expect(String(bytes)).toBe(`${plain}the other${plain}`);
    await expect(unpackBytes(Buffer.concat([one, other.subarray(0, -5)]))).rejects.toMatchObject({
      code: "tar_invalid",
    });
  },
);

/** What follows a packed "one", and what each program reads of it: packings that are not named refuse it. */
describe("T20 after its end", () => {
  const zeros = (count: number) => Buffer.alloc(count);
  const garbage = Buffer.from("garbage");
  const rows: readonly (readonly [string, (second: Buffer) => Buffer, Readonly<Record<string, string>>])[] = [
    ["a second stream", (second) => second, { gzip: "two", zstd: "two", bzip2: "two", xz: "two" }],
    ["one zero", () => zeros(1), { gzip: "" }],
    ["four zeros", () => zeros(4), { gzip: "", xz: "" }],
    ["two megabytes of zeros", () => zeros(2 ** 21), { gzip: "", xz: "" }],
    ["garbage", () => garbage, {}],
    ["much garbage", () => Buffer.alloc(2 ** 21, "garbage"), {}],
    ["a zero and garbage", () => Buffer.concat([zeros(1), garbage]), {}],
    ["four zeros and garbage", () => Buffer.concat([zeros(4), garbage]), {}],
    ["two megabytes of zeros and garbage", () => Buffer.concat([zeros(2 ** 21), garbage]), {}],
    ["a zero and a second stream", (second) => Buffer.concat([zeros(1), second]), {}],
    ["four zeros and a second stream", (second) => Buffer.concat([zeros(4), second]), { xz: "two" }],
    ["half a second stream", (second) => second.subarray(0, second.length >> 1), {}],
    ["a second stream and garbage", (second) => Buffer.concat([second, garbage]), {}],
    ["a second stream, a zero and garbage", (second) => Buffer.concat([second, zeros(1), garbage]), {}],
  ];
  const cases = forms.flatMap(([form, pack]) => rows.map(([title, rest, read]) => ({ form, pack, title, rest, read })));

  test.for(cases)("$form has $title: read as the program reads it, or refused", async ({ form, pack, rest, read }) => {
    const unpacking = unpackBytes(Buffer.concat([pack(Buffer.from("one")), rest(pack(Buffer.from("two")))]));
    if (read[form] === undefined) {
      const message = expect.stringContaining(`cannot be unpacked with ${form}: `);
      await expect(unpacking).rejects.toMatchObject({ code: "tar_invalid", message });
    } else {
      expect(String((await unpacking).bytes)).toBe(`one${read[form]}`);
    }
  });
});

describe("zstd of many frames", () => {
  const pack = (bytes: Buffer) => zstdCompressSync(bytes);
  const skippable = (bytes: Buffer, last = 0) => {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(0x184d2a50 + last, 0);
    head.writeUInt32LE(bytes.length, 4);
    return Buffer.concat([head, bytes]);
  };

  /** A frame of blocks as they are, with a window of 256 KiB and no length of its own. */
  const rawFrame = (blocks: readonly Buffer[]) => {
    const heads = blocks.map(({ length }, at) => {
      const head = Buffer.alloc(3);
      head.writeUIntLE(length * 8 + Number(at === blocks.length - 1), 0, 3);
      return head;
    });
    const parts = blocks.flatMap((block, at) => [heads[at] as Buffer, block]);
    return Buffer.concat([Buffer.from("28b52ffd0040", "hex"), ...parts]);
  };

  test("may have frames that mean nothing, first of all too, as pzstd writes them", async () => {
    const nothing = skippable(Buffer.from("nothing"), 15);
    const { bytes } = await unpackBytes(Buffer.concat([nothing, pack(plain), skippable(Buffer.of()), pack(plain)]));
    expect(bytes.equals(Buffer.concat([plain, plain]))).toBe(true);
  });

  test("ends with its last frame: what follows is refused, also half a frame that means nothing", async () => {
    for (const rest of [Buffer.from("hello"), Buffer.alloc(512), skippable(Buffer.alloc(99)).subarray(0, 50)]) {
      await expect(unpackBytes(Buffer.concat([pack(plain), rest]))).rejects.toMatchObject({ code: "tar_invalid" });
    }
  });

  test("are read whole wherever they end, and whatever begins there", async () => {
    const frames = Array.from({ length: 40 }, () => randomBytes(100_000));
    for (let run = 0; run < 5; run += 1) {
      const { bytes } = await unpackBytes(Buffer.concat(frames.map(pack)));
      expect(bytes.equals(Buffer.concat(frames))).toBe(true);
    }
  });

  test("are read on where one ends with what is read of a file at once", async () => {
    const chunkBytes = 256 * 1024;
    const blocks = [131_072, 130_000, 1057].map((size) => randomBytes(size));
    const frame = rawFrame(blocks);
    expect(frame.length).toBe(chunkBytes);
    const exact = Buffer.concat(blocks);
    const { bytes } = await unpackBytes(Buffer.concat([frame, pack(plain)]));
    expect(bytes.equals(Buffer.concat([exact, plain]))).toBe(true);
    expect((await unpackBytes(frame)).bytes.equals(exact)).toBe(true);
    for (const rest of ["garbage", pack(plain).subarray(0, -1)]) {
      const broken = Buffer.concat([frame, Buffer.from(rest)]);
      await expect(unpackBytes(broken)).rejects.toMatchObject({ code: "tar_invalid" });
    }
  });

  test("T17 bounds its frames together, and how many there are", async () => {
    const megabyte = pack(Buffer.alloc(2 ** 20));
    const bomb = Buffer.concat(Array.from({ length: 80 }, () => megabyte));
    await expect(unpackBytes(bomb)).rejects.toMatchObject({ code: "body_too_large" });
    const many = Buffer.concat(Array.from({ length: 10_001 }, () => skippable(Buffer.of())));
    await expect(unpackBytes(many)).rejects.toThrow(/more than 10000 frames/);
  });
});

test("what is not compressed stays where it lies", async () => {
  for (const text of ["", "x", "no archive at all"]) {
    const { bytes, isCopied, files } = await unpackBytes(Buffer.from(text));
    expect([String(bytes), isCopied, files]).toEqual([text, false, ["packed"]]);
  }
});

test("T17 an archive that asks for gigabytes of memory to be unpacked is refused", async () => {
  const wide = execFileSync("xz", ["-c", "--lzma2=dict=1536MiB"], { input: "x" });
  await expect(unpackBytes(wide)).rejects.toMatchObject({ code: "tar_invalid", message: /[Mm]emory/ });
});

test("T17 zstd may use the window that level 19 takes by itself, and none that is larger", async () => {
  const { ZSTD_c_compressionLevel: level, ZSTD_c_windowLog: windowLog } = constants;
  // A stream does not know its length, which would make the window smaller.
  const pack = async (params: Record<number, number>) => {
    const packing = createZstdCompress({ params });
    packing.end(plain);
    return Buffer.concat(await packing.toArray());
  };
  expect((await unpackBytes(await pack({ [level]: 19 }))).bytes.equals(plain)).toBe(true);
  expect((await unpackBytes(await pack({ [windowLog]: 23 }))).bytes.equals(plain)).toBe(true);
  for (const params of [{ [windowLog]: 24 }, { [windowLog]: 27 }]) {
    await expect(unpackBytes(await pack(params))).rejects.toMatchObject({
      code: "tar_invalid",
      message: "the archive cannot be unpacked with zstd: it asks for a window of more than 8 MiB",
      fix: "Pack it with zstd at level 19 or below, without --ultra and --long.",
    });
  }
});

test("where the system lacks the program it is named, with what to do", async () => {
  const none = async () => undefined;
  await expect(unpackBytes(packWith("xz")(Buffer.from("x")), { find: none })).rejects.toMatchObject({
    code: "not_configured",
    message: "the archive is compressed with xz, which this server does not have",
    fix: expect.stringContaining("gzip or zstd"),
  });
});
