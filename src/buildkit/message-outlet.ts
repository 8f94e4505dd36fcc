import { createBytesHead, writeBytesHead } from "./bytes-messages.ts";
import { maxFrameBytes } from "./http2-frames.ts";
import type { Outlet } from "./http2-sender.ts";
import type { Http2Stream } from "./http2-stream.ts";

/** The most that stands before the bytes of a message. */
const maxHeadBytes = 11;
/** A message that lies in one frame is passed on by the daemon as it is; longer ones it copies together first. */
const maxMessageBytes = maxFrameBytes - maxHeadBytes;

/** Writes what a connection writes as messages of a call: each announced row of bytes is one. */
export class MessageOutlet implements Outlet {
  readonly #call: Http2Stream;
  readonly #head = createBytesHead();
  /** Frames for which there was no room. */
  #behind: Buffer[] = [];
  #behindBytes = 0;
  /** Where what is announced goes, if not straight on. */
  #gathering: Buffer | undefined;
  #gathered = 0;

  constructor(call: Http2Stream) {
    this.#call = call;
  }

  room(): number {
    return this.#behind.length > 0 ? -this.#behindBytes : Math.min(maxMessageBytes, this.#capacity());
  }

  begin(bytes: number): void {
    if (this.#behind.length === 0 && bytes <= this.#capacity()) {
      this.#gathering = undefined;
      this.#beginMessage(bytes);
      return;
    }
    this.#gathering = Buffer.allocUnsafe(bytes);
    this.#gathered = 0;
    this.#behind.push(this.#gathering);
    this.#behindBytes += bytes;
  }

  put(bytes: Uint8Array, start: number, end: number): void {
    if (this.#gathering === undefined) {
      this.#call.put(bytes, start, end);
    } else {
      this.#gathering.set(bytes.subarray(start, end), this.#gathered);
      this.#gathered += end - start;
    }
  }

  /** Sends what had to wait, as far as there is room now. */
  catchUp(): void {
    for (let next = this.#behind[0]; next !== undefined && next.length <= this.#capacity(); next = this.#behind[0]) {
      this.#behind.shift();
      this.#behindBytes -= next.length;
      this.#beginMessage(next.length);
      this.#call.put(next, 0, next.length);
    }
  }

  #capacity(): number {
    return Math.max(0, this.#call.sendable() - maxHeadBytes);
  }

  #beginMessage(bytes: number): void {
    const length = writeBytesHead(this.#head, bytes);
    this.#call.begin(length + bytes);
    this.#call.put(this.#head, 0, length);
  }
}
