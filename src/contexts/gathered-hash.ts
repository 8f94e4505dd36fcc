import { createHash } from "node:crypto";

/** Hashes what it is given, in order, in pieces of one size, while others go on reading. */
export interface GatheredHash {
  addText(text: string): void;
  /** Where the next bytes may be written to; at least one. */
  room(): Uint8Array;
  /** So many bytes were written there. */
  taken(bytes: number): void;
  /** Answers a promise where it may have fallen behind, and is to be waited for. */
  behind(): Promise<unknown> | undefined;
  /** Hex SHA-256 of the SHA-256 of each piece. */
  digest(): Promise<string>;
}

const pieceBytes = 1024 * 1024;
/** Each holds a copy of its piece. */
const maxPiecesAtOnce = 4;

/** The buffer that the last hash used: many small contexts would else cost more memory than work. */
let spare: Buffer | undefined;

/**
 * Creates a hash. One large buffer comes before it, as a call for each file's few bytes would take longer than hashing
 * them; a full one is hashed on another thread.
 */
export function createGatheredHash(): GatheredHash {
  const buffer = spare ?? Buffer.allocUnsafeSlow(pieceBytes);
  spare = undefined;
  const pieces: Promise<ArrayBuffer>[] = [];
  let awaited: Promise<unknown> | undefined;
  let at = 0;

  /** WebCrypto copies what it is given before it answers: the buffer is free again. */
  const flush = () => {
    const piece = crypto.subtle.digest("SHA-256", buffer.subarray(0, at));
    piece.catch(() => {});
    pieces.push(piece);
    awaited = pieces.at(-maxPiecesAtOnce);
    at = 0;
  };
  const taken = (bytes: number) => {
    at += bytes;
    if (at === pieceBytes) flush();
  };
  const addBytes = (bytes: Buffer) => {
    for (let from = 0; from < bytes.length; ) {
      const copied = bytes.copy(buffer, at, from);
      from += copied;
      taken(copied);
    }
  };

  return {
    addText(text) {
      if (text.length * 3 < pieceBytes - at) at += buffer.write(text, at);
      else addBytes(Buffer.from(text));
    },
    room: () => buffer.subarray(at),
    taken,
    behind() {
      const piece = awaited;
      awaited = undefined;
      return piece;
    },
    async digest() {
      // Most contexts have this piece only: no other thread is worth waking for it.
      const last = createHash("sha256").update(buffer.subarray(0, at)).digest();
      spare = buffer;
      const hash = createHash("sha256");
      for (const piece of pieces) hash.update(new Uint8Array(await piece));
      return hash.update(last).digest("hex");
    },
  };
}
