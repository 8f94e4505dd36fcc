/*
 * gRPC's framing of messages inside an HTTP/2 stream: one byte "compressed" (always 0 here: we offer no
 * compression), four bytes of length, big-endian, then the message.
 */
import type { OnBytes } from "./http2-frames.ts";

/** The head of a frame. */
export const frameHeadBytes = 5;
const maxMessageBytes = 16 * 1024 * 1024;

/**
 * Creates what cuts a stream of bytes into messages. One that lies in a single piece is not copied.
 * @param onMessage gets each message; the buffer is its own to read until it returns
 * @returns what takes each piece; it throws an Error on a compressed or overlong message
 */
export function createFrameReader(onMessage: (message: Buffer) => void): OnBytes {
  const head = Buffer.allocUnsafe(frameHeadBytes);
  let headLength = 0;
  let length = 0;
  let gathered: Buffer | undefined;
  let gatheredLength = 0;

  const takeHead = (chunk: Buffer, start: number, end: number): number => {
    const taken = chunk.copy(head, headLength, start, end);
    headLength += taken;
    if (headLength === frameHeadBytes) {
      length = lengthOf(head);
      if (length === 0) finish(head.subarray(0, 0));
    }
    return start + taken;
  };
  const takeMessage = (chunk: Buffer, start: number, end: number): number => {
    if (gathered === undefined && end - start >= length) {
      finish(chunk.subarray(start, start + length));
      return start + length;
    }
    gathered ??= Buffer.allocUnsafeSlow(length);
    const taken = chunk.copy(gathered, gatheredLength, start, end);
    gatheredLength += taken;
    if (gatheredLength === length) finish(gathered);
    return start + taken;
  };
  const finish = (message: Buffer) => {
    headLength = 0;
    gathered = undefined;
    gatheredLength = 0;
    onMessage(message);
  };

  return (chunk, start, end) => {
    for (let at = start; at < end; ) {
      at = headLength < frameHeadBytes ? takeHead(chunk, at, end) : takeMessage(chunk, at, end);
    }
  };
}

/** Puts a message into its frame. */
export function frameMessage(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(frameHeadBytes + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, frameHeadBytes);
  return frame;
}

function lengthOf(head: Buffer): number {
  const length = head.readUInt32BE(1);
  if (head[0] !== 0) throw new Error("a gRPC message is compressed, expected none to be");
  if (length > maxMessageBytes)
    throw new Error(`a gRPC message has ${length} bytes, expected at most ${maxMessageBytes}`);
  return length;
}
