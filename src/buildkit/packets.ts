/*
 * Packets of the file sync (proto/fsutil.proto), written by hand straight into a buffer in their gRPC frames: with
 * tens of thousands of small files the cost per message is what counts.
 *
 *   frame   0, length of the packet as 4 bytes big-endian, packet
 *   packet  type=1: STAT 0 | REQ 1 | DATA 2 | FIN 3 | ERR 4;  stat=2;  ID=3;  data=4
 *   stat    path=1 mode=2 uid=3 gid=4 size=5 modTime=6 linkname=7
 *
 * Numbers are varints. Those of a DATA head are padded to a fixed width (80 80 00 is zero, too), so that a file can
 * be read into place behind its head before its length is known.
 */
import { BuilderError } from "../errors.ts";

export interface Stat {
  readonly path: Uint8Array;
  readonly mode: number;
  readonly size: number;
  readonly modifiedNs: bigint;
  /** Empty where it is no link. */
  readonly link: Uint8Array;
}

/** What the daemon sends. */
export type Received =
  | { readonly kind: "request"; readonly id: number }
  | { readonly kind: "finished" }
  | { readonly kind: "error"; readonly text: string }
  | { readonly kind: "other" };

/** Bytes of the frame and packet that stand before the data of a DATA packet. */
export const dataHeadBytes = 18;
/** Bytes of a DATA packet without data: the end of a file. */
export const dataEndBytes = 13;
/** The most that {@link writeStat} needs beside path and link. */
export const statHeadBytes = 80;

const frameBytes = 5;
const wide = 5;
const lengthDelimited = 2;
const maxTextBytes = 4096;

/**
 * Writes the head of a DATA packet whose `length` bytes of data follow it.
 * @returns where the data begins
 */
export function writeDataHead(into: Buffer, at: number, { id, length }: { id: number; length: number }): number {
  writeDataEnd(into, at, id);
  into.writeUInt32BE(dataHeadBytes - frameBytes + length, at + 1);
  into[at + dataEndBytes] = 0x22;
  return writePadded(into, at + dataEndBytes + 1, { value: length, width: 4 });
}

/** Writes a DATA packet without data. */
export function writeDataEnd(into: Buffer, at: number, id: number): number {
  into[at] = 0;
  into.writeUInt32BE(dataEndBytes - frameBytes, at + 1);
  into[at + 5] = 0x08;
  into[at + 6] = 2;
  into[at + 7] = 0x18;
  return writePadded(into, at + 8, { value: id, width: wide });
}

/** Writes a STAT packet; answers where it ends. Room for {@link statHeadBytes}, path and link is needed. */
export function writeStat(into: Buffer, at: number, stat: Stat): number {
  // The length of the stat is only known afterwards: its width is fixed.
  const start = at + frameBytes + 1 + wide;
  let end = writeBytes(into, start, { tag: 0x0a, bytes: stat.path });
  if (stat.mode !== 0) end = writeVarint(into, writeByte(into, end, 0x10), stat.mode);
  if (stat.size !== 0) end = writeVarint(into, writeByte(into, end, 0x28), stat.size);
  if (stat.modifiedNs !== 0n) end = writeTime(into, writeByte(into, end, 0x30), stat.modifiedNs);
  if (stat.link.length > 0) end = writeBytes(into, end, { tag: 0x3a, bytes: stat.link });
  into[at] = 0;
  into.writeUInt32BE(end - at - frameBytes, at + 1);
  into[at + frameBytes] = 0x12;
  writePadded(into, at + frameBytes + 1, { value: end - start, width: wide });
  return end;
}

/** The empty packet after the last STAT. */
export const lastStat: Buffer = Buffer.from([0, 0, 0, 0, 0]);

/** Says that all has been sent and received. */
export const finished: Buffer = Buffer.from([0, 0, 0, 0, 2, 0x08, 3]);

/** Frames an ERR packet. */
export function errorPacket(text: string): Buffer {
  const bytes = Buffer.from(text.slice(0, maxTextBytes));
  const packet = Buffer.alloc(frameBytes + 2 + 1 + wide + bytes.length);
  packet.set([0x08, 4], frameBytes);
  const end = writeBytes(packet, frameBytes + 2, { tag: 0x22, bytes });
  packet.writeUInt32BE(end - frameBytes, 1);
  return packet.subarray(0, end);
}

/**
 * Reads a packet of the daemon, without its frame.
 * @throws BuilderError `buildkit_refused` where it is none
 */
export function readPacket(packet: Buffer): Received {
  let type = 0;
  let id = 0;
  let text = "";
  for (let at = 0; at < packet.length; ) {
    const { tag, value, start, end } = readField(packet, at);
    at = end;
    if (tag === 0x08) type = value;
    if (tag === 0x18) id = value;
    if (tag === 0x22) text = packet.toString("utf8", start, Math.min(end, start + maxTextBytes));
  }
  if (type === 1) return { kind: "request", id };
  if (type === 3) return { kind: "finished" };
  return type === 4 ? { kind: "error", text } : { kind: "other" };
}

/** One field: its number, or where its bytes begin and end. */
function readField(packet: Buffer, at: number): { tag: number; value: number; start: number; end: number } {
  const tag = packet[at] as number;
  const { value, next } = readVarint(packet, at + 1);
  const isBytes = (tag & 7) === lengthDelimited;
  const end = isBytes ? next + value : next;
  if (end > packet.length || (!isBytes && (tag & 7) !== 0)) {
    throw new BuilderError("buildkit_refused", "BuildKit sends a packet of the file sync that is none");
  }
  return { tag, value, start: next, end };
}

function writeByte(into: Buffer, at: number, byte: number): number {
  into[at] = byte;
  return at + 1;
}

function writeBytes(into: Buffer, at: number, { tag, bytes }: { tag: number; bytes: Uint8Array }): number {
  into[at] = tag;
  const start = writePadded(into, at + 1, { value: bytes.length, width: wide });
  into.set(bytes, start);
  return start + bytes.length;
}

function writePadded(into: Buffer, at: number, { value, width }: { value: number; width: number }): number {
  let rest = value;
  for (let index = 0; index < width - 1; index++) {
    into[at + index] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  into[at + width - 1] = rest;
  return at + width;
}

/** Writes a whole number up to 2^53. */
function writeVarint(into: Buffer, from: number, value: number): number {
  let at = from;
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) into[at++] = (rest & 0x7f) | 0x80;
  into[at++] = rest;
  return at;
}

/** Writes 64 bits as 28 and 36 of them: numbers are many times faster than bigints. */
function writeTime(into: Buffer, at: number, time: bigint): number {
  const low = Number(BigInt.asUintN(28, time));
  const high = Number(BigInt.asUintN(36, time >> 28n));
  writePadded(into, at, { value: low, width: 4 });
  into[at + 3] = (low >>> 21) | 0x80;
  return writeVarint(into, at + 4, high);
}

function readVarint(from: Buffer, start: number): { value: number; next: number } {
  let value = 0;
  for (let at = start, weight = 1; at < from.length && at < start + 5; at++, weight *= 128) {
    const byte = from[at] as number;
    value += (byte & 0x7f) * weight;
    if (byte < 0x80) return { value, next: at + 1 };
  }
  throw new BuilderError("buildkit_refused", "BuildKit sends a packet of the file sync without a valid number");
}
