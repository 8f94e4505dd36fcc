import { BuilderError } from "../errors.ts";

/**
 * A build context: a tree of entries that is read where it lies and never copied.
 *
 * Sources (contexts/) are a directory, a tar file, an overlay of several; sinks are BuildKit's file sync
 * (buildkit/) and a tar stream. Paths are relative, clean and "/"-separated; the root is "" and is no entry.
 */
export interface Context {
  /**
   * Lists one directory.
   * @param directory its path, "" for the root
   * @returns its entries in ascending byte order of their names; none where there is no such directory
   * @throws BuilderError `path_forbidden` or `context_invalid` naming the entry at fault
   */
  list(directory: string): Promise<readonly Entry[]>;
  /**
   * Finds the entry at a path without a look at what lies beside it, where a context can: a fault of its neighbours is
   * none of its own. Absent: it is to be found in the list of its directory.
   * @throws BuilderError as `list` does, of this entry and of the way to it
   */
  find?(path: string): Promise<Entry | undefined>;
  /**
   * Tells that directories will be listed soon, in this order: a context may read ahead until the answer is disposed of.
   * What it lists is the same with it and without.
   */
  ahead?(directories: readonly string[]): Disposable | undefined;
}

export interface Entry {
  readonly path: string;
  /** The path's bytes, only where they are no valid UTF-8 (then `path` is a readable stand-in). */
  readonly rawPath?: Buffer;
  /** Go's os.FileMode: permission bits and the `mode*` bits below; not st_mode. */
  readonly mode: number;
  /** Bytes of a regular file, else 0. */
  readonly size: number;
  /** Unix nanoseconds. */
  readonly modifiedNs: bigint;
  /** Text of a symbolic link exactly as stored, else "". */
  readonly linkTarget: string;
  /** Equal for entries that are hard links of one file; absent where there is a single name. */
  readonly inode?: string;
  /** Where the disk tells: file number and time of the last change of anything about it, in Unix nanoseconds. */
  readonly version?: { readonly inode: bigint; readonly changedNs: bigint };
  /** Opens a regular file for reading from its start. */
  open(): EntryReader;
}

/** Reads a file in order. Small reads may answer at once, without a promise: that is what makes 50 000 files fast. */
export interface EntryReader {
  /** Fills the start of `target`; answers the bytes read, 0 at the end. */
  read(target: Uint8Array): number | Promise<number>;
  close(): void | Promise<void>;
}

export const modeDirectory = 0x80000000;
export const modeSymlink = 0x08000000;
export const modeDevice = 0x04000000;
export const modeFifo = 0x02000000;
export const modeSocket = 0x01000000;
export const modeSetuid = 0x00800000;
export const modeSetgid = 0x00400000;
export const modeCharDevice = 0x00200000;
export const modeSticky = 0x00100000;
const modeType = 0x8f280000;

/** True for an entry that holds entries. */
export function isDirectory(entry: Pick<Entry, "mode">): boolean {
  return (entry.mode & modeDirectory) !== 0;
}

/** True for an entry with bytes of its own. */
export function isRegular(entry: Pick<Entry, "mode">): boolean {
  return (entry.mode & modeType) === 0;
}

/** True for a symbolic link. */
export function isSymlink(entry: Pick<Entry, "mode">): boolean {
  return (entry.mode & modeSymlink) !== 0;
}

/** Reads bytes that are in memory. */
export function createMemoryReader(bytes: Buffer): EntryReader {
  let position = 0;
  return {
    read(target) {
      const length = bytes.copy(target, 0, position);
      position += length;
      return length;
    },
    close() {},
  };
}

/** The order of a list: by the bytes of the paths. */
export function byPathBytes(one: Entry, other: Entry): number {
  return Buffer.compare(one.rawPath ?? Buffer.from(one.path), other.rawPath ?? Buffer.from(other.path));
}

/** Finds the entry at a path, without following links. */
export async function findEntry(context: Context, path: string): Promise<Entry | undefined> {
  if (context.find) return context.find(path);
  const parent = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
  return (await context.list(parent)).find((entry) => entry.path === path);
}

/**
 * Reads a small file of a context, without following links.
 * @returns its text; undefined where there is no regular file of that path
 * @throws BuilderError `context_invalid` when it is larger than `maxBytes`
 */
export async function readText(context: Context, path: string, maxBytes: number): Promise<string | undefined> {
  const entry = await findEntry(context, path);
  if (!entry || !isRegular(entry)) return undefined;
  const bytes = Buffer.alloc(Math.min(entry.size, maxBytes) + 1);
  const reader = entry.open();
  let length = 0;
  try {
    for (let read = 1; read > 0 && length < bytes.length; length += read)
      read = await reader.read(bytes.subarray(length));
  } finally {
    await reader.close();
  }
  if (length > maxBytes) throw new BuilderError("context_invalid", `${path} is larger than ${maxBytes} bytes`);
  return bytes.toString("utf8", 0, length);
}
