/*
 * Calls of the session that carry streams of messages.
 */
import { createBytesHead, writeBytesHead } from "./bytes-messages.ts";
import { frameMessage } from "./grpc-frames.ts";
import type { IncomingCall } from "./session-calls.ts";

const dataTag = 0x0a;

/**
 * The messages of a call until the daemon has said all. Who takes them slowly holds the daemon back.
 * @throws Error when the call breaks off
 */
export async function* messagesOf(call: IncomingCall): AsyncGenerator<Buffer> {
  const { stream, signal } = call;
  const ready: Buffer[] = [];
  let isEnded = false;
  let news = Promise.withResolvers<void>();
  const tell = () => news.resolve();
  const onMessage = (message: Buffer) => {
    ready.push(Buffer.from(message));
    stream.hold();
    tell();
  };
  const onEnd = () => {
    isEnded = true;
    tell();
  };
  call.onMessage(onMessage, onEnd);
  signal.addEventListener("abort", tell, { once: true });
  for (;;) {
    yield* ready.splice(0);
    if (ready.length > 0) continue;
    if (isEnded) return;
    if (signal.aborted) throw new Error("the daemon has given the call up", { cause: signal.reason });
    news = Promise.withResolvers();
    stream.release();
    await news.promise;
  }
}

/** Sends a message, and waits while the daemon does not take more. */
export async function sendMessage(call: IncomingCall, message: Uint8Array): Promise<void> {
  await write(call, frameMessage(message));
}

/** Sends raw bytes in one message. */
export async function sendBytes(call: IncomingCall, data: Uint8Array): Promise<void> {
  const head = createBytesHead();
  const length = writeBytesHead(head, data.length);
  await write(call, Buffer.concat([head.subarray(0, length), data]));
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
  stream.write(frame);
  await stream.room();
  signal.throwIfAborted();
}
