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

/*
 * Where what stands in a header (POSIX ustar). A number is octal text, blanks before it and a blank or NUL after it; or,
 * where its first bit is set (GNU, for what is too large), the rest of its bits in two's complement. The checksum is the
 * sum of all bytes with blanks in its own place.
 */
const fields = {
  mode: { at: 100, bytes: 8 },
  size: { at: 124, bytes: 12 },
  time: { at: 136, bytes: 12 },
  sum: { at: 148, bytes: 8 },
} as const;
const blockBytes = 512;
const blank = 0x20;
const typeAt = 156;

/**
 * Parses a header block. The tar package's own parser makes text of names, and takes most of the time of an index.
 * @param block 512 bytes
 * @returns undefined for a block of zeros, which ends an archive
 * @throws Error with a sentence about the header
 */
export function parseHeader(block: Buffer): TarHeader | undefined {
  const sum = sumOf(block);
  if (sum === emptySum && readNumber(block, fields.sum) === 0) return undefined;
  if (readNumber(block, fields.sum) !== sum) throw new Error("has no valid header: its checksum is wrong");
  if (hasUnclearPrefix(block)) throw new Error("has the front part of a name where only POSIX headers have one");
  const type = block[typeAt] ?? 0;
  const seconds = readNumber(block, fields.time);
  return {
    type: type === 0 ? "0" : String.fromCharCode(type),
    name: parseName(block),
    linkName: textAt(block, 157, 100),
    size: sizeOf(block),
    mode: readNumber(block, fields.mode) || 0,
    modifiedNs: Number.isFinite(seconds) ? BigInt(Math.trunc(seconds)) * 1_000_000_000n : 0n,
  };
}

const prefixAt = 345;

/**
 * Some readers take what stands in the place of POSIX's front part for one in every header, others only in POSIX's own.
 * GNU tar writes times there, of what it saves piece by piece: numbers, which nobody takes for a name.
 */
function hasUnclearPrefix(block: Buffer): boolean {
  const first = block[prefixAt] ?? 0;
  return first !== 0 && !isPosix(block) && !Number.isSafeInteger(readNumber(block, { at: prefixAt, bytes: 12 }));
}

function isPosix(block: Buffer): boolean {
  return block.toString("latin1", 257, 263) === "ustar\0";
}

/** What the checksum of a block of zeros would be. */
const emptySum = fields.sum.bytes * blank;

function sumOf(block: Buffer): number {
  const { at, bytes } = fields.sum;
  let sum = emptySum;
  for (let index = 0; index < at; index++) sum += block[index] ?? 0;
  for (let index = at + bytes; index < blockBytes; index++) sum += block[index] ?? 0;
  return sum;
}

/** NaN for what is no number. */
function readNumber(block: Buffer, { at, bytes }: { at: number; bytes: number }): number {
  const isBinary = ((block[at] ?? 0) & 0x80) !== 0;
  return isBinary ? readBinary(block.subarray(at, at + bytes)) : readOctal(block, at, at + bytes);
}

function readOctal(block: Buffer, start: number, end: number): number {
  let index = start;
  while (index < end && block[index] === blank) index += 1;
  let value = 0;
  for (; index < end; index++) {
    const byte = block[index] ?? 0;
    if (byte === blank || byte === 0) return value;
    if (byte < 0x30 || byte > 0x37) return Number.NaN;
    value = value * 8 + (byte - 0x30);
  }
  return value;
}

/** The second bit is the sign. */
function readBinary(bytes: Buffer): number {
  const bits = BigInt(bytes.length * 8 - 1);
  const value = BigInt.asIntN(Number(bits), BigInt(`0x${bytes.toString("hex")}`));
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new Error("has a number in its header that is larger than 2^53");
  return number;
}

/**
 * The name in a header block, right or wrong. POSIX headers ("ustar" and a NUL) hold the front part of a long name in a
 * field of its own; GNU's do not.
 */
export function parseName(block: Buffer): Buffer {
  const name = textAt(block, 0, 100);
  if (block[prefixAt] === 0 || !isPosix(block)) return name;
  return Buffer.concat([textAt(block, prefixAt, 155), Buffer.from("/"), name]);
}

/** A copy: the block is read over. */
function textAt(block: Buffer, offset: number, length: number): Buffer {
  if (block[offset] === 0) return noText;
  const end = block.indexOf(0, offset);
  return Buffer.from(block.subarray(offset, end < 0 || end > offset + length ? offset + length : end));
}

const noText = Buffer.of();

function sizeOf(block: Buffer): number {
  const size = readNumber(block, fields.size);
  if (!Number.isSafeInteger(size) || size < 0) throw new Error("has a size that is none: expected 0 to 2^53 bytes");
  return size;
}
