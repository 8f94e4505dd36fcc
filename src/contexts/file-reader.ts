import { close, closeSync, read, readSync } from "node:fs";
import { promisify } from "node:util";
import type { EntryReader } from "../model/context.ts";

/** Up to here a read from the page cache is cheaper than a promise. */
const maxSyncBytes = 256 * 1024;
const readLater = promisify(read);
const closeLater = promisify(close);

/**
 * Creates a reader of `size` bytes from `start` of an open file, which it closes with itself. A file that has become
 * shorter ends early; what it has grown by is not read.
 */
export function createFileReader(fd: number, { start, size }: { start: number; size: number }): EntryReader {
  const end = start + size;
  let position = start;
  if (size <= maxSyncBytes) {
    return {
      read(target) {
        const length = Math.min(target.length, end - position);
        const bytes = length === 0 ? 0 : readSync(fd, target, 0, length, position);
        position += bytes;
        return bytes;
      },
      close: () => closeSync(fd),
    };
  }
  return {
    async read(target) {
      const length = Math.min(target.length, end - position);
      const { bytesRead } = length === 0 ? { bytesRead: 0 } : await readLater(fd, target, 0, length, position);
      position += bytesRead;
      return bytesRead;
    },
    close: () => closeLater(fd),
  };
}
