import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { EntryReader } from "../model/context.ts";
import { createFileReader } from "./file-reader.ts";

/** The file that an archive lies in, read where its members lie. */
export interface ArchiveFile {
  /** Opens a member's bytes. */
  open(place: { start: number; size: number }): EntryReader;
}

/** Up to this size members are read through the window. */
const maxSmallBytes = 64 * 1024;
const windowBytes = 1024 * 1024;
/** How long file and window are kept after the last read. */
const idleMs = 500;

/**
 * Creates the reader of an archive's members. BuildKit asks for small files by the ten thousand in the order in which
 * they lie: they are read through one window of a file that stays open for as long as it is read, which takes a
 * hundredth of the system calls. Large ones get a descriptor of their own.
 */
export function createArchiveFile(path: string): ArchiveFile {
  let fd: number | undefined;
  let window: Buffer | undefined;
  let start = 0;
  let end = 0;
  let lastUse = 0;

  const closeWhenIdle = () => {
    const timer = setInterval(() => {
      if (performance.now() - lastUse < idleMs) return;
      clearInterval(timer);
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
      window = undefined;
      end = start;
    }, idleMs);
    timer.unref();
  };

  const load = (from: number) => {
    lastUse = performance.now();
    if (fd === undefined) {
      fd = openSync(path, "r");
      closeWhenIdle();
    }
    window ??= Buffer.allocUnsafe(Math.min(fstatSync(fd).size, windowBytes));
    start = from;
    end = from + readSync(fd, window, 0, window.length, from);
  };

  const read = (target: Uint8Array, from: number): number => {
    if (from < start || from + target.length > end) load(from);
    const length = Math.min(target.length, end - from);
    if (window && length > 0) target.set(window.subarray(from - start, from - start + length));
    return Math.max(0, length);
  };

  return {
    open({ start: memberStart, size }) {
      if (size > maxSmallBytes) return createFileReader(openSync(path, "r"), { start: memberStart, size });
      let position = 0;
      return {
        read(target) {
          const length = read(target.subarray(0, size - position), memberStart + position);
          position += length;
          return length;
        },
        close() {},
      };
    },
  };
}
