/*
 * Bytes in gRPC messages of the kind BytesMessage{bytes data=1}: as the tunnel of a session, exports and SSH agents have
 * them. The borders of the messages mean nothing. On the wire each is
 *
 *   0, length of the message as 4 bytes big-endian, 0x0a, length of the data as a varint, data
 *
 * and a message of length 0 has no data. A gigabyte comes as ten thousands of them, in pieces of at most 16 KiB: so the
 * data is passed on where it lies, before its message is complete.
 */
import { frameHeadBytes } from "./grpc-frames.ts";
import type { OnBytes } from "./http2-frames.ts";

const dataTag = 0x0a;
const maxVarintBytes = 5;
/** The most that stands before the data. */
const maxHeadBytes = frameHeadBytes + 1 + maxVarintBytes;

/**
 * Creates what takes the stream of messages, cut anywhere.
 * @param onBytes gets the data
 * @returns what takes the pieces; it throws an Error where they are no such messages
 */
export function createBytesReader(onBytes: OnBytes): OnBytes {
  const head = Buffer.allocUnsafe(maxHeadBytes);
  let headLength = 0;
  let left = 0;
  return (chunk, start, end) => {
    for (let at = start; at < end; ) {
      if (left === 0) {
        head[headLength++] = chunk[at++] as number;
        const bytes = readHead(head, headLength);
        if (bytes === undefined) continue;
        headLength = 0;
        left = bytes;
      } else {
        const next = Math.min(end, at + left);
        onBytes(chunk, at, next);
        left -= next - at;
        at = next;
      }
    }
  };
}

/** Writes what stands before `bytes` of data; answers how long it is. `into` has room for it. */
export function writeBytesHead(into: Buffer, bytes: number): number {
  let end = frameHeadBytes;
  into[end++] = dataTag;
  for (let rest = bytes; ; rest >>>= 7) {
    into[end++] = rest > 0x7f ? (rest & 0x7f) | 0x80 : rest;
    if (rest <= 0x7f) break;
  }
  into[0] = 0;
  into.writeUInt32BE(end - frameHeadBytes + bytes, 1);
  return end;
}

/** A place for {@link writeBytesHead}. */
export function createBytesHead(): Buffer {
  return Buffer.allocUnsafe(maxHeadBytes);
}

/** @returns how many bytes of data follow; undefined where the head goes on */
function readHead(head: Buffer, length: number): number | undefined {
  if (length < frameHeadBytes) return undefined;
  const messageBytes = head.readUInt32BE(1);
  if (head[0] !== 0) throw new Error("a gRPC message is compressed, expected none to be");
  if (messageBytes === 0) return 0;
  if (length < frameHeadBytes + 2) return undefined;
  if ((head[length - 1] as number) >= 0x80 && length < maxHeadBytes) return undefined;
  let bytes = 0;
  for (let at = frameHeadBytes + 1; at < length; at++)
    bytes += ((head[at] as number) & 0x7f) * 128 ** (at - frameHeadBytes - 1);
  if (head[frameHeadBytes] !== dataTag || length - frameHeadBytes + bytes !== messageBytes)
    throw new Error("the daemon sends a message that is not one of bytes");
  return bytes;
}
