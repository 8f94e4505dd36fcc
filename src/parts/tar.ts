/** A file of an image layer. Paths are relative and at most 100 bytes long. */
export type TarEntry = { readonly path: string; readonly mode: number } & (
  | { readonly kind: "folder" }
  | { readonly kind: "file"; readonly bytes: Buffer }
  | { readonly kind: "link"; readonly target: string }
);

const blockBytes = 512;

/**
 * Writes a tar archive in memory, for the one small layer that we make ourselves. Everything belongs to root and is
 * of the beginning of 1970: equal entries give equal bytes.
 *
 * Format (POSIX.1-1988 ustar): a header of 512 bytes per entry, then its bytes filled up to 512; two empty blocks end
 * it. Numbers are octal text. The checksum is the sum of the header's bytes with blanks in its own place.
 */
export function writeTar(entries: readonly TarEntry[]): Buffer {
  const blocks = entries.flatMap((entry) => [header(entry), padded(entry.kind === "file" ? entry.bytes : Buffer.of())]);
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockBytes)]);
}

function header(entry: TarEntry): Buffer {
  const path = entry.kind === "folder" ? `${entry.path}/` : entry.path;
  if (Buffer.byteLength(path) > 100) throw new Error(`path too long for a plain tar header: ${path}`);
  const block = Buffer.alloc(blockBytes);
  block.write(path, 0);
  octal(block, 100, { value: entry.mode, width: 8 });
  octal(block, 108, { value: 0, width: 8 });
  octal(block, 116, { value: 0, width: 8 });
  octal(block, 124, { value: entry.kind === "file" ? entry.bytes.length : 0, width: 12 });
  octal(block, 136, { value: 0, width: 12 });
  block.write({ file: "0", link: "2", folder: "5" }[entry.kind], 156);
  if (entry.kind === "link") block.write(entry.target, 157);
  block.write("ustar\0" + "00", 257);
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function octal(block: Buffer, offset: number, { value, width }: { value: number; width: number }): void {
  block.write(`${value.toString(8).padStart(width - 1, "0")}\0`, offset);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((blockBytes - (bytes.length % blockBytes)) % blockBytes)]);
}
