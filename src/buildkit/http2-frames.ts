/*
 * Frames of HTTP/2 (RFC 9113, section 4): 3 bytes of length, type, flags, 4 bytes of stream, then as many bytes as the
 * length says. A gigabyte is 65 536 of them, as Go takes and sends 16 KiB at most: so the bytes of DATA are passed on
 * where they lie, piece by piece, and only the short frames are gathered.
 */

/** Takes the bytes of `chunk` from `start` to `end`, which are its own to read until it returns. */
export type OnBytes = (chunk: Buffer, start: number, end: number) => void;

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flags = { none: 0, endStream: 1, acknowledged: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;

/** Why a stream or connection ends: those of RFC 9113, section 7, that we say. */
export const errorCode = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  FLOW_CONTROL_ERROR: 3,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const;

export type ErrorName = keyof typeof errorCode;

/** Ends a connection, and tells the other side why. */
export class Http2Error extends Error {
  override readonly name = "Http2Error";
  readonly code: number;

  constructor(code: ErrorName, message: string) {
    super(`${message} (${code})`);
    this.code = errorCode[code];
  }
}

export interface FrameHead {
  /** Bytes that follow. */
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
}

/** The head of a frame. */
export const frameHeadBytes = 9;
/** What every side takes, and what ours takes at most. */
export const maxFrameBytes = 16_384;

/** Writes a head; answers where the frame's bytes begin. */
export function writeFrameHead(into: Buffer, at: number, { length, type, flags: bits, stream }: FrameHead): number {
  into[at] = length >>> 16;
  into[at + 1] = length >>> 8;
  into[at + 2] = length;
  into[at + 3] = type;
  into[at + 4] = bits;
  return into.writeUInt32BE(stream, at + 5);
}

/** What hears of frames. DATA that is padded comes gathered, with its padding. */
export interface FrameListener {
  readonly onFrame: (head: FrameHead, payload: Buffer) => void;
  /** DATA begins; all its bytes come by `onData`, then `onDataEnd`. */
  readonly onDataHead: (head: FrameHead) => void;
  readonly onData: OnBytes;
  readonly onDataEnd: (head: FrameHead) => void;
}

/** Cuts a stream of bytes into frames, however it comes. */
export class FrameReader {
  readonly #listener: FrameListener;
  readonly #scratch = Buffer.allocUnsafe(frameHeadBytes);
  #scratchBytes = 0;
  #head: FrameHead | undefined;
  /** Undefined where the frame's bytes are passed on. */
  #gathered: Buffer | undefined;
  #left = 0;

  constructor(listener: FrameListener) {
    this.#listener = listener;
  }

  /** @throws Http2Error for a frame that is too long; what the listener throws */
  read(chunk: Buffer, start: number, end: number): void {
    for (let at = start; at < end; ) {
      at = this.#head === undefined ? this.#takeHead(chunk, at, end) : this.#takePayload(this.#head, chunk, [at, end]);
    }
  }

  #takeHead(chunk: Buffer, start: number, end: number): number {
    if (this.#scratchBytes === 0 && end - start >= frameHeadBytes) {
      this.#begin(readHead(chunk, start));
      return start + frameHeadBytes;
    }
    const taken = chunk.copy(this.#scratch, this.#scratchBytes, start, end);
    this.#scratchBytes += taken;
    if (this.#scratchBytes === frameHeadBytes) {
      this.#scratchBytes = 0;
      this.#begin(readHead(this.#scratch, 0));
    }
    return start + taken;
  }

  #begin(head: FrameHead): void {
    if (head.length > maxFrameBytes)
      throw new Http2Error("FRAME_SIZE_ERROR", `a frame of ${head.length} bytes, expected at most ${maxFrameBytes}`);
    const isPassedOn = head.type === frameType.data && (head.flags & flags.padded) === 0;
    this.#gathered = isPassedOn ? undefined : Buffer.allocUnsafe(head.length);
    this.#left = head.length;
    this.#head = head;
    if (isPassedOn) this.#listener.onDataHead(head);
    if (head.length === 0) this.#finish(head);
  }

  #takePayload(head: FrameHead, chunk: Buffer, [start, end]: [number, number]): number {
    const taken = Math.min(this.#left, end - start);
    if (this.#gathered === undefined) this.#listener.onData(chunk, start, start + taken);
    else chunk.copy(this.#gathered, head.length - this.#left, start, start + taken);
    this.#left -= taken;
    if (this.#left === 0) this.#finish(head);
    return start + taken;
  }

  #finish(head: FrameHead): void {
    const payload = this.#gathered;
    this.#head = undefined;
    this.#gathered = undefined;
    if (payload === undefined) this.#listener.onDataEnd(head);
    else this.#listener.onFrame(head, payload);
  }
}

function readHead(from: Buffer, at: number): FrameHead {
  return {
    length: from.readUIntBE(at, 3),
    type: from[at + 3] as number,
    flags: from[at + 4] as number,
    stream: from.readUInt32BE(at + 5) & 0x7fffffff,
  };
}
