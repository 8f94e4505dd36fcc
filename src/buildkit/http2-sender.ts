import { type FrameHead, flags, frameHeadBytes, frameType, maxFrameBytes, writeFrameHead } from "./http2-frames.ts";
import { initialWindowBytes } from "./http2-window.ts";

/** Where a connection's bytes go. What it is given it has copied when it returns. */
export interface Outlet {
  /** How many bytes it takes now. Frames of a few bytes may be put beyond it, and wait. */
  room(): number;
  /** Announces that the next so many bytes belong together. */
  begin(bytes: number): void;
  put(bytes: Uint8Array, start: number, end: number): void;
}

/** Writes the frames of one connection, as long as the other side's settings and windows allow. */
export class FrameSender {
  readonly #outlet: Outlet;
  readonly #head = Buffer.alloc(frameHeadBytes);
  /** Of DATA that has been begun. */
  #stream = 0;
  #dataLeft = 0;
  #frameLeft = 0;
  /** What the connection as a whole may still send. */
  windowBytes = initialWindowBytes;

  constructor(outlet: Outlet) {
    this.#outlet = outlet;
  }

  /** Writes a frame that no window holds back. */
  frame(head: Omit<FrameHead, "length">, payload: Uint8Array): void {
    this.#outlet.begin(frameHeadBytes + payload.length);
    this.#putHead({ ...head, length: payload.length });
    this.#outlet.put(payload, 0, payload.length);
  }

  /** Lets the other side send more; stream 0 stands for the whole connection. */
  windowUpdate(stream: number, bytes: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(bytes);
    this.frame({ type: frameType.windowUpdate, flags: flags.none, stream }, payload);
  }

  /** Writes a block of headers. */
  headers(stream: number, block: Buffer, { isLast }: { isLast: boolean }): void {
    const pieces = Math.max(1, Math.ceil(block.length / maxFrameBytes));
    for (let piece = 0; piece < pieces; piece++) {
      const type = piece === 0 ? frameType.headers : frameType.continuation;
      const ends = (piece === 0 && isLast ? flags.endStream : 0) | (piece === pieces - 1 ? flags.endHeaders : 0);
      const bytes = block.subarray(piece * maxFrameBytes, (piece + 1) * maxFrameBytes);
      this.frame({ type, flags: ends, stream }, bytes);
    }
  }

  /** How many bytes of DATA may be sent now on a stream that has a window of so many. */
  sendable(streamWindowBytes: number): number {
    const room = this.#outlet.room();
    const bytes = room - frameHeadBytes * Math.ceil(room / maxFrameBytes);
    return Math.max(0, Math.min(streamWindowBytes, this.windowBytes, bytes));
  }

  /** Begins DATA: exactly `bytes`, which are sendable, have to be put before anything else is written. */
  begin(stream: number, bytes: number): void {
    this.windowBytes -= bytes;
    this.#stream = stream;
    this.#dataLeft = bytes;
    this.#outlet.begin(bytes + frameHeadBytes * Math.ceil(bytes / maxFrameBytes));
  }

  put(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      if (this.#frameLeft === 0) this.#beginFrame();
      const size = Math.min(this.#frameLeft, end - at);
      this.#outlet.put(bytes, at, at + size);
      this.#frameLeft -= size;
      at += size;
    }
  }

  #beginFrame(): void {
    this.#frameLeft = Math.min(maxFrameBytes, this.#dataLeft);
    this.#dataLeft -= this.#frameLeft;
    this.#putHead({ length: this.#frameLeft, type: frameType.data, flags: flags.none, stream: this.#stream });
  }

  #putHead(head: FrameHead): void {
    this.#outlet.put(this.#head, 0, writeFrameHead(this.#head, 0, head));
  }
}
