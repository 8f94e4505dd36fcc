import type { FileHandle } from "node:fs/promises";

export const blockBytes = 512;
const windowBytes = 1024 * 1024;

/** Bytes of an archive file, read through a window so that neighbouring headers cost one read. */
export interface TarBlocks {
  readonly size: number;
  /** Up to `length` bytes (at most 1 MiB) from `offset`, fewer at the file's end; valid until the next call. */
  read(offset: number, length: number): Buffer | Promise<Buffer>;
}

/** Opens the blocks of a file that is owned and closed by the caller. */
export async function openBlocks(file: FileHandle): Promise<TarBlocks> {
  const { size } = await file.stat();
  // Most archives are small, and memory outside of V8's heap makes it collect garbage.
  const window = Buffer.allocUnsafe(Math.min(size, windowBytes));
  let start = 0;
  let end = 0;

  const load = async (offset: number, length: number): Promise<Buffer> => {
    start = offset;
    end = offset;
    while (end < Math.min(size, start + window.length)) {
      const { bytesRead } = await file.read(window, end - start, window.length - (end - start), end);
      if (bytesRead === 0) break;
      end += bytesRead;
    }
    return window.subarray(0, Math.min(length, end - start));
  };

  return {
    size,
    read(offset, length) {
      if (offset >= start && offset + length <= end) return window.subarray(offset - start, offset - start + length);
      return load(offset, length);
    },
  };
}
