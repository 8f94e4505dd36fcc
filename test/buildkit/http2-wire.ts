import { encodeHeaders, type Header } from "../../src/buildkit/hpack.ts";
import { Http2Connection } from "../../src/buildkit/http2-connection.ts";
import {
  type FrameHead,
  FrameReader,
  frameHeadBytes,
  frameType,
  writeFrameHead,
} from "../../src/buildkit/http2-frames.ts";
import type { Outlet } from "../../src/buildkit/http2-sender.ts";
import type { Http2Stream } from "../../src/buildkit/http2-stream.ts";

/** An outlet that keeps what is put, and has room for as much as a test says. */
export class KeepingOutlet implements Outlet {
  readonly #kept: Buffer[] = [];
  roomBytes = 1024 * 1024;

  room(): number {
    return this.roomBytes;
  }

  begin(): void {}

  put(bytes: Uint8Array, start: number, end: number): void {
    this.roomBytes -= end - start;
    this.#kept.push(Buffer.from(bytes.subarray(start, end)));
  }

  /** All that was put since the last time. */
  take(): Buffer {
    const taken = Buffer.concat(this.#kept.splice(0));
    this.roomBytes += taken.length;
    return taken;
  }
}

/** A frame, as whoever may make it. */
export function frame(
  type: number,
  options: { flags?: number; stream?: number; payload?: Uint8Array | string } = {},
): Buffer {
  const payload = Buffer.from((options.payload ?? "") as string);
  const bytes = Buffer.alloc(frameHeadBytes + payload.length);
  writeFrameHead(bytes, 0, { length: payload.length, type, flags: options.flags ?? 0, stream: options.stream ?? 0 });
  payload.copy(bytes, frameHeadBytes);
  return bytes;
}

export function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The frames that bytes are made of. */
export function framesOf(bytes: Buffer): (FrameHead & { payload: Buffer })[] {
  const frames: (FrameHead & { payload: Buffer })[] = [];
  let data: Buffer[] = [];
  const reader = new FrameReader({
    onFrame: (head, payload) => frames.push({ ...head, payload }),
    onDataHead: () => {
      data = [];
    },
    onData: (chunk, start, end) => void data.push(Buffer.from(chunk.subarray(start, end))),
    onDataEnd: (head) => frames.push({ ...head, payload: Buffer.concat(data) }),
  });
  reader.read(bytes, 0, bytes.length);
  return frames;
}

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
export const settings = frame(frameType.settings);
export const endStream = 1;
export const endHeaders = 4;
export const callHeaders = encodeHeaders([[":path", "/a.B/C"]]);

/** A call of the daemon. */
export function call(stream: number): Buffer {
  return frame(frameType.headers, { flags: endHeaders, stream, payload: callHeaders });
}

/** A server of ours, to which a test says what it likes. */
export function createServerSide({ windowBytes = 1024 * 1024 } = {}) {
  const outlet = new KeepingOutlet();
  const calls: { stream: Http2Stream; headers: readonly Header[] }[] = [];
  const ends: Error[] = [];
  const connection = new Http2Connection("server", {
    outlet,
    windowBytes,
    streamWindowBytes: windowBytes,
    onHeaders: (stream, { headers }) => void calls.push({ stream, headers }),
    onEnd: (reason) => void ends.push(reason),
  });
  const say = (...parts: readonly Buffer[]) => {
    for (const bytes of parts) connection.receive(bytes, 0, bytes.length);
  };
  const greet = () => {
    say(preface, settings);
    outlet.take();
  };
  return { outlet, calls, ends, connection, say, greet };
}
