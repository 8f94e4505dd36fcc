/*
 * The Huffman code of HPACK (RFC 7541, appendix B). It is canonical: ordered by length and then by value, the codes of
 * its 257 symbols are consecutive numbers. So their lengths say everything, and a code of n bits is found by how far it
 * lies behind the first one of n bits.
 */

/** Lengths in bits of the codes of 0 … 255 and of "end of string", each a digit to the base of 36. */
const lengths: readonly number[] = Array.from(
  [
    "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca",
    "d67777777777777777777777878djde6f56565666577666567655677777fbeds",
    "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn",
    "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq",
    "u",
  ].join(""),
  (digit) => Number.parseInt(digit, 36),
);
const endOfString = 256;
const longestBits = 30;
/** No code is shorter: so a text has at most 8 ÷ 5 times the bytes of its code. */
const shortestBits = 5;
/** What fills up the last byte: at most so many bits, all of them 1. */
const maxPaddingBits = 7;

const symbols: readonly number[] = lengths
  .map((_, symbol) => symbol)
  .toSorted((a, b) => bitsOf(a) - bitsOf(b) || a - b);
const levels = findLevels();

/**
 * Decodes a string.
 * @throws Error where it is no string in this code
 */
export function decodeHuffman(bytes: Buffer): Buffer {
  const text = Buffer.allocUnsafe(Math.floor((bytes.length * 8) / shortestBits));
  let length = 0;
  let code = 0;
  let bits = 0;
  for (let at = 0; at < bytes.length * 8; at++) {
    code = (code << 1) | (((bytes[at >> 3] as number) >> (7 - (at & 7))) & 1);
    bits++;
    const symbol = findSymbol(code, bits);
    if (symbol === undefined) continue;
    if (symbol === endOfString) throw new Error("a Huffman string holds its own end");
    text[length++] = symbol;
    code = 0;
    bits = 0;
  }
  if (bits > maxPaddingBits || code !== 2 ** bits - 1) throw new Error("a Huffman string breaks off in a symbol");
  return text.subarray(0, length);
}

/** @returns undefined where the code goes on */
function findSymbol(code: number, bits: number): number | undefined {
  const level = levels[bits];
  if (level === undefined) throw new Error("a Huffman string holds a code of no symbol");
  const { firstCode, firstIndex, count } = level;
  return code - firstCode < count ? symbols[firstIndex + code - firstCode] : undefined;
}

function bitsOf(symbol: number): number {
  return lengths[symbol] ?? 0;
}

/** By their length in bits: the first code, how many follow it, and where their symbols begin. */
function findLevels(): readonly { firstCode: number; firstIndex: number; count: number }[] {
  const found = [{ firstCode: 0, firstIndex: 0, count: 0 }];
  for (let bits = 1; bits <= longestBits; bits++) {
    const { firstCode, firstIndex, count } = found[bits - 1] as (typeof found)[number];
    found.push({
      firstCode: (firstCode + count) * 2,
      firstIndex: firstIndex + count,
      count: lengths.filter((length) => length === bits).length,
    });
  }
  return found;
}
