import { Header } from "tar";

/** One header block. Names are bytes as they stand there, up to the first NUL. */
export interface TarHeader {
  /** The type's character; "0" where there is none. */
  readonly type: string;
  readonly name: Buffer;
  readonly linkName: Buffer;
  readonly size: number;
  readonly mode: number;
  readonly modifiedNs: bigint;
}

/**
 * Parses a header block. Numbers and checksum are read by the tar package, names are not: it makes text of them.
 * @param block 512 bytes
 * @returns undefined for a block of zeros, which ends an archive
 * @throws Error with a sentence about the header
 */
export function parseHeader(block: Buffer): TarHeader | undefined {
  const header = decode(block);
  if (header.nullBlock && block.every((byte) => byte === 0)) return undefined;
  if (!header.cksumValid) throw new Error("has no valid header: its checksum is wrong");
  const time = header.mtime?.getTime() ?? 0;
  return {
    type: block[156] === 0 ? "0" : String.fromCharCode(block[156] ?? 0),
    name: nameOf(block),
    linkName: textAt(block, 157, 100),
    size: sizeOf(header, block),
    mode: header.mode ?? 0,
    modifiedNs: Number.isFinite(time) ? BigInt(Math.trunc(time)) * 1_000_000n : 0n,
  };
}

function decode(block: Buffer): Header {
  try {
    return new Header(block);
  } catch (cause) {
    throw new Error("has a number in its header that is none, or larger than 2^53", { cause });
  }
}

/** POSIX headers ("ustar" and a NUL) hold the front part of a long name in a field of its own; GNU's do not. */
function nameOf(block: Buffer): Buffer {
  const name = textAt(block, 0, 100);
  const isPosix = block.toString("latin1", 257, 263) === "ustar\0";
  const front = isPosix ? textAt(block, 345, 155) : Buffer.of();
  return front.length === 0 ? name : Buffer.concat([front, Buffer.from("/"), name]);
}

/** A copy: the block is read over. */
function textAt(block: Buffer, offset: number, length: number): Buffer {
  const field = block.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end));
}

function sizeOf(header: Header, block: Buffer): number {
  const isBlank = block.subarray(124, 136).every((byte) => byte === 0 || byte === 0x20);
  const size = header.size ?? (isBlank ? 0 : Number.NaN);
  if (!Number.isSafeInteger(size)) throw new Error("has a size that is none: expected 0 to 2^53 bytes");
  return size;
}
