import { type Context, createMemoryReader, type Entry, type EntryReader, isRegular } from "../model/context.ts";

/** A context of which what was read once is not read again. */
export interface KeptContext extends Context {
  /** How often its source was asked for a list or a file: while this stays the same nothing of it can have changed. */
  reads(): number;
  /** True where all that was asked for is kept. */
  isWhole(): boolean;
}

/** Most functions are smaller. */
const defaultLimits = { maxBytes: 1024 * 1024, maxEntries: 4096 };

/**
 * Keeps what is listed and read of a context, as long as that is little: what is built of it then is what was looked at
 * before, whatever becomes of its files, and no file is opened twice.
 */
export function createKeptContext(context: Context, limits = defaultLimits): KeptContext {
  const lists = new Map<string, readonly Entry[]>();
  const room = { ...limits };
  let reads = 0;
  let whole = true;

  const keep = (entry: Entry): Entry => {
    let kept: Buffer | undefined;
    const open = () => {
      if (kept) return createMemoryReader(kept);
      reads += 1;
      if (entry.size > room.maxBytes) {
        whole = false;
        return entry.open();
      }
      room.maxBytes -= entry.size;
      return keeping(entry, (bytes) => {
        kept = bytes;
        whole &&= bytes !== undefined;
      });
    };
    return isRegular(entry) ? { ...entry, open } : entry;
  };

  return {
    async list(directory) {
      const known = lists.get(directory);
      if (known) return known;
      reads += 1;
      const entries = await context.list(directory);
      room.maxEntries -= entries.length;
      if (room.maxEntries < 0) {
        whole = false;
        return entries;
      }
      const kept = entries.map(keep);
      lists.set(directory, kept);
      return kept;
    },
    reads: () => reads,
    isWhole: () => whole,
    ahead(directories) {
      const unlisted = directories.filter((directory) => !lists.has(directory));
      return unlisted.length > 0 ? context.ahead?.(unlisted) : undefined;
    },
  };
}

/** Reads a file, and keeps its bytes where these are as many as it was listed with; else undefined. */
function keeping(entry: Entry, keep: (bytes: Buffer | undefined) => void): EntryReader {
  const reader = entry.open();
  const bytes = Buffer.allocUnsafe(entry.size);
  let length = 0;
  const take = (target: Uint8Array, count: number) => {
    if (length + count <= bytes.length) bytes.set(target.subarray(0, count), length);
    length += count;
    return count;
  };
  return {
    read(target) {
      const read = reader.read(target);
      return typeof read === "number" ? take(target, read) : read.then((count) => take(target, count));
    },
    close() {
      keep(length === bytes.length ? bytes : undefined);
      return reader.close();
    },
  };
}
