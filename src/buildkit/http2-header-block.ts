import { type Header, HpackDecoder } from "./hpack.ts";
import { type FrameHead, flags, frameType, Http2Error } from "./http2-frames.ts";

/** Each pattern of a .dockerignore is a header of its own, and a long list of them is no fault. */
export const maxHeaderListBytes = 16 * 1024 * 1024;
/** Of one block; each may bring 16 KiB. */
const maxFrames = 4096;

export interface HeaderBlock {
  readonly stream: number;
  readonly headers: readonly Header[];
  /** Whether nothing follows them on the stream. */
  readonly isLast: boolean;
}

/** Gathers blocks of headers: HEADERS, then as many CONTINUATIONs as it takes, with nothing in between. */
export class HeaderBlockReader {
  readonly #decoder = new HpackDecoder(maxHeaderListBytes);
  #first: FrameHead | undefined;
  #fragments: Buffer[] = [];
  #bytes = 0;

  /** Whether a block is not complete, so that nothing but its next frame may come. */
  get isOpen(): boolean {
    return this.#first !== undefined;
  }

  /**
   * Takes a frame of a block.
   * @returns the block when it is complete
   * @throws Http2Error where it is none, or too much
   */
  take(head: FrameHead, payload: Buffer): HeaderBlock | undefined {
    const isFirst = head.type === frameType.headers;
    const belongs = isFirst ? !this.isOpen : this.#first?.stream === head.stream;
    if (!belongs || head.stream === 0) throw new Http2Error("PROTOCOL_ERROR", "headers that belong nowhere");
    if (isFirst) this.#first = head;
    this.#add(isFirst ? fragmentOf(head, payload) : payload);
    return (head.flags & flags.endHeaders) === 0 ? undefined : this.#finish(this.#first as FrameHead);
  }

  #add(fragment: Buffer): void {
    this.#fragments.push(fragment);
    this.#bytes += fragment.length;
    if (this.#bytes > maxHeaderListBytes || this.#fragments.length > maxFrames)
      throw new Http2Error("ENHANCE_YOUR_CALM", `headers of more than ${maxHeaderListBytes} bytes`);
  }

  #finish({ stream, flags: bits }: FrameHead): HeaderBlock {
    const block = this.#fragments.length === 1 ? (this.#fragments[0] as Buffer) : Buffer.concat(this.#fragments);
    this.#first = undefined;
    this.#fragments = [];
    this.#bytes = 0;
    return { stream, headers: this.#decode(block), isLast: (bits & flags.endStream) !== 0 };
  }

  #decode(block: Buffer): readonly Header[] {
    try {
      return this.#decoder.decode(block);
    } catch (error) {
      throw new Http2Error("COMPRESSION_ERROR", (error as Error).message);
    }
  }
}

/** Without padding and priority. */
function fragmentOf({ flags: bits }: FrameHead, payload: Buffer): Buffer {
  const isPadded = (bits & flags.padded) !== 0;
  const start = (isPadded ? 1 : 0) + ((bits & flags.priority) === 0 ? 0 : 5);
  const end = payload.length - (isPadded ? (payload[0] ?? 0) : 0);
  if (start > end) throw new Http2Error("PROTOCOL_ERROR", "headers that are nothing but padding");
  return payload.subarray(start, end);
}
