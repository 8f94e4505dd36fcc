import { expect, test } from "vitest";
import { Packet, Stat } from "../../src/buildkit/generated/fsutil.ts";
import { createFrameReader } from "../../src/buildkit/grpc-frames.ts";
import {
  dataHeadBytes,
  errorPacket,
  finished,
  lastStat,
  readPacket,
  statHeadBytes,
  writeDataEnd,
  writeDataHead,
  writeStat,
} from "../../src/buildkit/packets.ts";

/** Reads frames with the code that is generated from proto/fsutil.proto. */
function decodeFrames(bytes: Buffer): Packet[] {
  const packets: Packet[] = [];
  createFrameReader((message) => packets.push(Packet.decode(message)))(bytes, 0, bytes.length);
  return packets;
}

test.for([
  { path: "a", mode: 0o644, size: 0, modifiedNs: 0n, link: "" },
  { path: "é/x", mode: 0x80000000 + 0o755, size: 127, modifiedNs: 1n, link: "" },
  { path: "x".repeat(5000), mode: 0x08000000 + 0o777, size: 128, modifiedNs: 1_700_000_000_123_456_789n, link: "../é" },
  { path: "old", mode: 0, size: 2 ** 40 + 3, modifiedNs: -1n, link: "" },
  { path: "late", mode: 0o7, size: 2 ** 31, modifiedNs: 2n ** 62n + 5n, link: "y".repeat(300) },
  { path: "edge", mode: 0o7, size: 16384, modifiedNs: 2n ** 28n, link: "" },
])("a STAT reads back as it was written: $path", ({ path, mode, size, modifiedNs, link }) => {
  const buffer = Buffer.alloc(statHeadBytes + 10_000, 0xee);
  const stat = { path: Buffer.from(path), mode, size, modifiedNs, link: Buffer.from(link) };
  const end = writeStat(buffer, 7, stat);
  const [packet] = decodeFrames(buffer.subarray(7, end));
  const expected = { path, mode, size: BigInt(size), modTime: modifiedNs, linkname: link };
  expect(packet).toEqual(Packet.fromPartial({ type: 0, stat: Stat.fromPartial(expected) }));
});

test.for([0, 1, 127, 128, 65_536, 4_294_967_295])("DATA of file %j reads back, and so does its end", (id) => {
  const buffer = Buffer.alloc(100);
  const start = writeDataHead(buffer, 0, { id, length: 5 });
  expect(start).toBe(dataHeadBytes);
  buffer.write("hello", start);
  const end = writeDataEnd(buffer, start + 5, id);
  expect(decodeFrames(buffer.subarray(0, end))).toEqual([
    Packet.fromPartial({ type: 2, id, data: Buffer.from("hello") }),
    Packet.fromPartial({ type: 2, id }),
  ]);
});

test("the packets without a body read back", () => {
  expect(decodeFrames(Buffer.concat([lastStat, finished, errorPacket("no é")]))).toEqual([
    Packet.fromPartial({}),
    Packet.fromPartial({ type: 3 }),
    Packet.fromPartial({ type: 4, data: Buffer.from("no é") }),
  ]);
});

test.for([
  [
    { type: 1, id: 0 },
    { kind: "request", id: 0 },
  ],
  [
    { type: 1, id: 300 },
    { kind: "request", id: 300 },
  ],
  [
    { type: 1, id: 4_294_967_295 },
    { kind: "request", id: 4_294_967_295 },
  ],
  [{ type: 3 }, { kind: "finished" }],
  [
    { type: 4, data: Buffer.from("full") },
    { kind: "error", text: "full" },
  ],
  [{ type: 0, stat: { path: "x", mode: 5 } }, { kind: "other" }],
] as const)("%j of the daemon is read", ([packet, received]) => {
  expect(readPacket(Buffer.from(Packet.encode(Packet.fromPartial(packet)).finish()))).toEqual(received);
});

test.for([
  ["a number without end", [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
  ["a field that is longer than the packet", [0x22, 0x05, 0x00]],
  ["a kind of field that there is not", [0x0d, 0, 0, 0, 0]],
  ["a tag alone", [0x08]],
] as const)("%s is refused", ([, bytes]) => {
  expect(() => readPacket(Buffer.from(bytes))).toThrow(expect.objectContaining({ code: "buildkit_refused" }));
});

test("frames are found wherever the stream is cut", () => {
  const bytes = Buffer.concat([lastStat, finished, errorPacket("text"), finished]);
  for (let size = 1; size < bytes.length; size++) {
    const lengths: number[] = [];
    const read = createFrameReader((message) => lengths.push(message.length));
    for (let at = 0; at < bytes.length; at += size) read(bytes, at, Math.min(bytes.length, at + size));
    expect(lengths).toEqual([0, 2, 12, 2]);
  }
});

test.for([
  ["compressed", [1, 0, 0, 0, 0]],
  ["16777217 bytes", [0, 1, 0, 0, 1]],
] as const)("a message that is %s is refused", ([text, bytes]) => {
  expect(() => createFrameReader(() => undefined)(Buffer.from(bytes), 0, bytes.length)).toThrow(text);
});
