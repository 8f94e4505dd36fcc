/*
 * Calls of the session that carry streams. A message of raw bytes is BytesMessage{bytes data=1} in its gRPC frame;
 * a gigabyte comes as ten thousands of them, so they are read without a copy.
 */
import { once } from "node:events";
import { createFrameReader, frameHeadBytes, frameMessage } from "./grpc-frames.ts";
import type { IncomingCall } from "./session-calls.ts";

const dataTag = 0x0a;

/**
 * The messages of a call until the daemon has said all. Who takes them slowly holds the daemon back.
 * @throws Error when the call breaks off
 */
export async function* messagesOf(call: IncomingCall): AsyncGenerator<Buffer> {
  const ready: Buffer[] = [];
  const read = createFrameReader((message) => ready.push(message));
  for await (const chunk of call.stream.iterator({ destroyOnReturn: false })) {
    read(chunk as Buffer);
    yield* ready.splice(0);
  }
  // A stream that was reset ends like one that was closed.
  if (call.stream.destroyed || call.stream.aborted) throw new Error("the daemon has given the call up");
}

/** Sends a message, and waits while the daemon does not take more. */
export async function sendMessage(call: IncomingCall, message: Uint8Array): Promise<void> {
  await write(call, frameMessage(message));
}

/** Sends raw bytes in one message. */
export async function sendBytes(call: IncomingCall, data: Uint8Array): Promise<void> {
  const head = Buffer.allocUnsafe(frameHeadBytes + 6);
  head[frameHeadBytes] = dataTag;
  let end = frameHeadBytes + 1;
  for (let rest = data.length; ; rest >>>= 7) {
    head[end++] = rest > 0x7f ? (rest & 0x7f) | 0x80 : rest;
    if (rest <= 0x7f) break;
  }
  head[0] = 0;
  head.writeUInt32BE(end - frameHeadBytes + data.length, 1);
  await write(call, Buffer.concat([head.subarray(0, end), data]));
}

/**
 * Reads a message of raw bytes.
 * @returns a view of the message
 */
export function readBytes(message: Buffer): Buffer {
  if (message.length === 0) return message;
  let length = 0;
  let at = 1;
  for (let weight = 1; at < message.length && at < 6; at++, weight *= 128) {
    const byte = message[at] as number;
    length += (byte & 0x7f) * weight;
    if (byte < 0x80) break;
  }
  if (message[0] !== dataTag || at + 1 + length !== message.length)
    throw new Error("the daemon sends a message that is not one of bytes");
  return message.subarray(at + 1);
}

async function write({ stream, signal }: IncomingCall, frame: Buffer): Promise<void> {
  signal.throwIfAborted();
  if (!stream.write(frame)) await once(stream, "drain", { signal });
}
