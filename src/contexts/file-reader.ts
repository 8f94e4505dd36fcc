import { close, closeSync, read, readSync } from "node:fs";
import { promisify } from "node:util";
import type { EntryReader } from "../model/context.ts";

/** Up to here a read from the page cache is cheaper than a promise. */
const maxSyncBytes = 256 * 1024;
const readLater = promisify(read);
const closeLater = promisify(close);

interface Part {
  readonly start: number;
  readonly size: number;
  /** What is thrown for what the system says: EISDIR and ESPIPE where it is no file. */
  faultOf?(cause: NodeJS.ErrnoException): Error;
}

/**
 * Creates a reader of `size` bytes from `start` of an open file, which it closes with itself. A file that has become
 * shorter ends early; what it has grown by is not read. What is no file is not read either: neither folders nor pipes
 * can be read from a place on.
 */
export function createFileReader(fd: number, { start, size, faultOf = asItIs }: Part): EntryReader {
  const end = start + size;
  let position = start;
  if (size <= maxSyncBytes) {
    return {
      read(target) {
        const length = Math.min(target.length, end - position);
        const bytes = length === 0 ? 0 : readNow(fd, target, { length, position, faultOf });
        position += bytes;
        return bytes;
      },
      close: () => closeSync(fd),
    };
  }
  return {
    async read(target) {
      const length = Math.min(target.length, end - position);
      if (length === 0) return 0;
      const { bytesRead } = await readLater(fd, target, 0, length, position).catch((cause) => {
        throw faultOf(cause);
      });
      position += bytesRead;
      return bytesRead;
    },
    close: () => closeLater(fd),
  };
}

type Read = Required<Pick<Part, "faultOf">> & { readonly length: number; readonly position: number };

function readNow(fd: number, target: Uint8Array, { length, position, faultOf }: Read): number {
  try {
    return readSync(fd, target, 0, length, position);
  } catch (cause) {
    throw faultOf(cause as NodeJS.ErrnoException);
  }
}

function asItIs(cause: Error): Error {
  return cause;
}
