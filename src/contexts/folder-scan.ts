import { isUtf8 } from "node:buffer";
import { type BigIntStats, closeSync, constants, lstatSync, openSync, readdirSync } from "node:fs";
import { anchorOf, openedPath } from "./real-path.ts";

/** What is asked of each name; the number of a file, and its device, may be negative: they are only compared. */
export type Stats = Pick<BigIntStats, (typeof scanned)[number]>;

/** What lies in a folder, in a form that goes from thread to thread. */
export interface FolderScan {
  /** Where the folder really lies. */
  readonly real: string;
  /** In order, with a "/" between each two, which no name holds. */
  readonly names: string;
  /** Of each name what `scanned` lists. */
  readonly stats: BigInt64Array<ArrayBuffer>;
}

const { S_IFMT, S_IFLNK } = constants;
const scanned = ["mode", "size", "mtimeNs", "ctimeNs", "ino", "dev", "nlink"] as const;
export const statOptions = { bigint: true, throwIfNoEntry: false } as const;

/** Opens a folder to be read; where links are entries, a link is none. */
export function openFolder(path: Buffer, links: "keep" | "resolve"): number {
  return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | (links === "keep" ? constants.O_NOFOLLOW : 0));
}

/**
 * The names in a folder in order. Text is handled twice as fast as bytes, so bytes are left to folders that need them.
 * @param anchor a way to the open folder, whatever its path leads to by now
 */
export function readNames(anchor: Buffer, path: Buffer): readonly (string | Buffer)[] {
  const texts = isUtf8(anchor) && isUtf8(path) ? readdirSync(anchor.toString(), "utf8") : ["\ufffd"];
  // Of characters below the surrogates the order in UTF-16 is that of the bytes.
  if (!/[\ud800-\uffff]/.test(texts.join("/"))) return texts.sort();
  return readdirSync(anchor, { encoding: "buffer" }).sort(Buffer.compare);
}

/**
 * Scans a folder at once.
 * @returns undefined where something about it is rare, or at fault: whoever needs the folder is to look himself
 */
export function scanFolder(pathText: string, links: "keep" | "resolve"): FolderScan | undefined {
  const path = Buffer.from(pathText);
  let fd: number | undefined;
  try {
    fd = openFolder(path, links);
    const real = openedPath(fd, path);
    const names = readNames(anchorOf(fd, path), path);
    if (!isUtf8(real) || !areTexts(names)) return undefined;
    const stats = new BigInt64Array(names.length * scanned.length);
    for (const [at, name] of names.entries()) {
      const found = lstatSync(`${pathText}/${name}`, statOptions);
      // What a link leads to is to be read when it is looked at: it may have gone by then.
      if (!found || (Number(found.mode) & S_IFMT) === S_IFLNK) return undefined;
      for (const [field, key] of scanned.entries()) stats[at * scanned.length + field] = found[key];
    }
    return { real: real.toString(), names: names.join("/"), stats };
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

export function namesIn({ names }: FolderScan): readonly string[] {
  return names === "" ? [] : names.split("/");
}

/** What was scanned of the name at an index. */
export function statsAt({ stats }: FolderScan, index: number): Stats {
  const at = index * scanned.length;
  // In the order of `scanned`; to go through that list for each file would be felt.
  const field = (offset: number) => stats[at + offset] ?? 0n;
  return {
    mode: field(0),
    size: field(1),
    mtimeNs: field(2),
    ctimeNs: field(3),
    ino: field(4),
    dev: field(5),
    nlink: field(6),
  };
}

function areTexts(names: readonly (string | Buffer)[]): names is readonly string[] {
  return typeof names[0] !== "object";
}
