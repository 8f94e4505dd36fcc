/*
 * HPACK (RFC 7541), the compression of HTTP/2's headers. A block of headers is a row of
 *
 *   1.......  index             a header of the tables
 *   01......  index, [name,] value   a new header, which enters the dynamic table; index 0: the name is spelled out
 *   000.....  index, [name,] value   a new header that does not (0001: "never indexed" on the way further on)
 *   001.....  size              the dynamic table takes at most so much from now on
 *
 * An index counts through the static table, then the dynamic one, the latest entry first. Numbers fill the rest of
 * their first byte; if that is all ones, more follows in groups of seven bits, the lowest first. Strings are a length
 * and bytes, whose first bit says whether they are in the Huffman code.
 *
 * Headers that we send are always spelled out, so that there is nothing to agree on.
 */
import { decodeHuffman } from "./hpack-huffman.ts";
import { staticTable } from "./hpack-static-table.ts";

export type Header = readonly [name: string, value: string];

/** What an entry takes in a table or a list beside its name and value, as the RFC reckons. */
const entryBytes = 32;
/** The dynamic table that is agreed on where nobody says another. */
const maxTableBytes = 4096;
const maxNumberBytes = 5;

/** Reads the blocks of one direction of one connection. */
export class HpackDecoder {
  readonly #maxListBytes: number;
  /** The latest last. */
  readonly #table: Header[] = [];
  #tableBytes = 0;
  #tableLimit = maxTableBytes;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  /** @param maxListBytes of the headers of one block, unpacked: a few bytes may stand for very many */
  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
  }

  /**
   * Reads a whole block. Blocks have to be read in the order of their coming, also those that nobody wants.
   * @throws Error where it is none, or unpacks to too much
   */
  decode(block: Buffer): Header[] {
    this.#block = block;
    this.#at = 0;
    const headers: Header[] = [];
    let listBytes = 0;
    while (this.#at < block.length) {
      const header = this.#readEntry(headers.length === 0);
      if (header === undefined) continue;
      listBytes += sizeOf(header);
      if (listBytes > this.#maxListBytes) throw new Error(`headers take more than ${this.#maxListBytes} bytes`);
      headers.push(header);
    }
    return headers;
  }

  /** @returns undefined for a new size of the table, which may only stand before all headers */
  #readEntry(isFirst: boolean): Header | undefined {
    const kind = this.#block[this.#at] as number;
    if (kind >= 0x80) return this.#find(this.#readNumber(7));
    if (kind >= 0x40) return this.#remember(this.#readNew(6));
    if (kind < 0x20) return this.#readNew(4);
    this.#tableLimit = this.#readNumber(5);
    if (!isFirst || this.#tableLimit > maxTableBytes) throw new Error("a table of headers is made larger than agreed");
    this.#shrink(this.#tableLimit);
    return undefined;
  }

  #readNew(prefixBits: number): Header {
    const index = this.#readNumber(prefixBits);
    const name = index === 0 ? this.#readText() : this.#find(index)[0];
    return [name, this.#readText()];
  }

  #find(index: number): Header {
    const header = staticTable[index - 1] ?? this.#table[this.#table.length - (index - staticTable.length)];
    if (header === undefined) throw new Error(`there is no header ${index}`);
    return header;
  }

  /** An entry larger than the whole table empties it, and is no error. */
  #remember(header: Header): Header {
    const size = sizeOf(header);
    this.#shrink(this.#tableLimit - size);
    if (size <= this.#tableLimit) {
      this.#table.push(header);
      this.#tableBytes += size;
    }
    return header;
  }

  #shrink(maxBytes: number): void {
    while (this.#tableBytes > Math.max(0, maxBytes)) this.#tableBytes -= sizeOf(this.#table.shift() as Header);
  }

  #readText(): string {
    const isHuffman = (this.#block[this.#at] ?? 0) >= 0x80;
    const length = this.#readNumber(7);
    const end = this.#at + length;
    if (end > this.#block.length) throw new Error("a block of headers breaks off");
    const bytes = this.#block.subarray(this.#at, end);
    this.#at = end;
    return (isHuffman ? decodeHuffman(bytes) : bytes).toString("latin1");
  }

  #readNumber(prefixBits: number): number {
    const first = this.#readByte() & (2 ** prefixBits - 1);
    if (first < 2 ** prefixBits - 1) return first;
    let value = first;
    for (let index = 0; index < maxNumberBytes; index++) {
      const byte = this.#readByte();
      value += (byte & 0x7f) * 128 ** index;
      if (byte < 0x80) return value;
    }
    throw new Error("a number in a block of headers is too long");
  }

  #readByte(): number {
    const byte = this.#block[this.#at++];
    if (byte === undefined) throw new Error("a block of headers breaks off");
    return byte;
  }
}

/** Writes a block. It forbids itself the dynamic table first, whatever the other side would take. */
export function encodeHeaders(headers: readonly Header[]): Buffer {
  const parts: Uint8Array[] = [Uint8Array.of(0x20)];
  for (const [name, value] of headers) parts.push(Uint8Array.of(0), ...encodeText(name), ...encodeText(value));
  return Buffer.concat(parts);
}

function encodeText(text: string): [Uint8Array, Buffer] {
  const bytes = Buffer.from(text, "latin1");
  return [encodeLength(bytes.length), bytes];
}

function encodeLength(length: number): Uint8Array {
  if (length < 0x7f) return Uint8Array.of(length);
  const bytes = [0x7f];
  let rest = length - 0x7f;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest & 0x7f) | 0x80);
  return Uint8Array.of(...bytes, rest);
}

function sizeOf([name, value]: Header): number {
  return entryBytes + name.length + value.length;
}
