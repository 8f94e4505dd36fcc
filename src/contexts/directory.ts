import { isUtf8 } from "node:buffer";
import { closeSync, constants, lstatSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { BuilderError } from "../errors.ts";
import type { Context, Entry } from "../model/context.ts";
import { checkKind, readable, unreadable } from "./entry-faults.ts";
import { isCleanPath, quoteName, readableName } from "./entry-name.ts";
import { openerOf, refuserOf } from "./file-opener.ts";
import { type FolderScan, namesIn, openFolder, readNames, type Stats, statOptions, statsAt } from "./folder-scan.ts";
import { copiedMode, goMode } from "./go-mode.ts";
import { createHeldFolder, type HoldFolder } from "./held-folder.ts";
import { createLinkGuard, type LinkGuard } from "./link-guard.ts";
import { anchorOf, isInside, joinBytes, openedPath, readLink, realFolder } from "./real-path.ts";
import { createScanAhead, type ScanAhead } from "./scan-ahead.ts";

export interface DirectoryOptions {
  /** The folder that nothing may lead out of, such as the root of the checkout. */
  readonly within: string;
  /** `keep`: links are entries. `resolve`: each link is replaced by the file or folder that it leads to. */
  readonly links: "keep" | "resolve";
  /** Names in the folder itself that are left out. */
  readonly skip?: (topLevelName: string) => boolean;
  /**
   * Real path of a folder, there or not, of which nothing is in the context, be it by a link. Without effect where the
   * context itself lies in it.
   */
  readonly leftOut?: Buffer;
  readonly scanAhead?: ScanAhead;
}

/** Looked up once: Node keeps its constants in a table. */
const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK } = constants;
/** Handing over to others between so many entries keeps the process answering. */
const entriesAtOnce = 2048;
/** NAME_MAX; few file systems allow more. */
const maxNameBytes = 255;

/**
 * Creates a context of a folder on this disk. Its files may be a stranger's, and may be changed while they are read:
 * where a listed name really leads is looked at on the open file (the kernel's own word for it), not on its path.
 * @throws BuilderError `context_invalid` where there is no such folder; on reading: `path_forbidden` for what leads
 *   out of `within`, `context_invalid` for links to nothing or in circles and, where links are resolved, for devices,
 *   pipes and sockets (a copy of a pipe would wait for ever)
 */
export function createDirectoryContext(folder: string, options: DirectoryOptions): Context {
  const { within, links, skip, leftOut, scanAhead = createScanAhead(links) } = options;
  const bounds = realFolder(within);
  const root = realFolder(folder);
  const hold = createHeldFolder((path, real) => (links === "keep" ? real.equals(path) : isInside(bounds, real)));
  const modeOf = links === "keep" ? goMode : copiedMode;
  const source: Source = { root, within: bounds, links, modeOf, rawFolders: new Map(), hold };
  if (!isInside(bounds, root)) {
    throw new BuilderError("path_forbidden", `folder ${quoteName(folder)} lies outside of ${quoteName(within)}`);
  }
  const guard = createLinkGuard(bounds, leftOut && !isInside(leftOut, root) ? leftOut : undefined);
  /** Undefined where a folder that was found to lie at `real` is no part of the context. */
  const enter = (directory: string, path: Buffer, real: Buffer): Listing | undefined => {
    if (links === "keep" && !real.equals(path)) return undefined;
    if (!guard.mayEnter(directory, path, real)) return undefined;
    const skipped = guard.skipIn(real, skipOfTop(directory, skip));
    return { source, guard, directory, path, pathText: path.toString(), skip: skipped };
  };
  const lookInto = async <T>(
    directory: string,
    look: (listing: Listing, anchor: Buffer) => T | Promise<T>,
  ): Promise<T | undefined> => {
    if (directory !== "" && !isCleanPath(directory)) return undefined;
    const path = folderPath(source, directory);
    const fd = openListed(source, directory, path);
    if (fd === undefined) return undefined;
    try {
      // Behind a link a folder may lie at a longer path than the system can tell.
      const real = readable(directory, () => openedPath(fd, path));
      const listing = enter(directory, path, real);
      return listing && (await look(listing, anchorOf(fd, path)));
    } finally {
      closeSync(fd);
    }
  };
  const rootText = root.toString();
  const textOf = (directory: string) => (directory === "" ? rootText : `${rootText}/${directory}`);
  const listScanned = async (directory: string, scan: FolderScan) => {
    const listing = enter(directory, folderPath(source, directory), Buffer.from(scan.real));
    return listing && readEntries(listing, namesIn(scan), (index) => statsAt(scan, index));
  };
  return {
    async list(directory) {
      const scan = scanAhead.take(textOf(directory));
      const entries = (await (scan ? listScanned(directory, scan) : lookInto(directory, listNames))) ?? [];
      scanAhead.listed(entries.length);
      return entries;
    },
    async find(path) {
      if (!isCleanPath(path) || path.includes("\0")) return undefined;
      const end = path.lastIndexOf("/");
      return lookInto(path.slice(0, Math.max(0, end)), (listing, anchor) =>
        findNamed(listing, path.slice(end + 1), anchor),
      );
    },
    ahead(directories) {
      const texts = isUtf8(root) ? directories.filter((directory) => !source.rawFolders.has(directory)) : [];
      return scanAhead.expect(texts.map((directory) => textOf(directory)));
    },
  };
}

/** What stands for a folder of this disk; `rawFolders` finds the bytes of paths that are no UTF-8. */
interface Source {
  readonly root: Buffer;
  readonly within: Buffer;
  readonly links: "keep" | "resolve";
  modeOf(mode: number): number;
  readonly rawFolders: Map<string, Buffer>;
  readonly hold: HoldFolder;
}

function folderPath({ root, rawFolders }: Source, directory: string): Buffer {
  return directory === "" ? root : joinBytes(root, rawFolders.get(directory) ?? Buffer.from(directory));
}

/** Opens a folder; undefined where there is none at that path. */
function openListed({ links }: Source, directory: string, path: Buffer): number | undefined {
  try {
    return openFolder(path, links);
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    if (["ENOENT", "ENOTDIR"].includes(code) || (code === "ELOOP" && links === "keep")) return undefined;
    throw new BuilderError("context_invalid", `folder ${quoteName(directory)} cannot be read: ${code}`, { cause });
  }
}

function skipOfTop(directory: string, skip: DirectoryOptions["skip"]): DirectoryOptions["skip"] {
  return directory === "" ? skip : undefined;
}

interface Listing {
  readonly source: Source;
  readonly guard: LinkGuard;
  readonly directory: string;
  readonly path: Buffer;
  readonly pathText: string;
  readonly skip: ((name: string) => boolean) | undefined;
}

/** A name in a folder, its bytes where it is no text, and what is known of it already. */
interface Found {
  readonly name: string;
  readonly bytes: Buffer | undefined;
  readonly stats?: Stats | undefined;
}

async function readEntries(
  listing: Listing,
  names: readonly (string | Buffer)[],
  statsOf?: (index: number) => Stats,
): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for (const [index, given] of names.entries()) {
    if (index % entriesAtOnce === entriesAtOnce - 1) await setImmediate();
    const [name, bytes] = typeof given === "string" ? [given] : [readableName(given), given];
    if (listing.skip?.(name)) continue;
    const entry = readEntry(listing, { name, bytes, stats: statsOf?.(index) });
    if (entry) entries.push(entry);
  }
  return entries;
}

function listNames(listing: Listing, anchor: Buffer): Promise<readonly Entry[]> {
  return readEntries(listing, readNames(anchor, listing.path));
}

/** Finds what has a name in a folder; what stands for a name that is no UTF-8 is known by the folder's list alone. */
async function findNamed(listing: Listing, text: string, anchor: Buffer): Promise<Entry | undefined> {
  const { directory, path, skip } = listing;
  if (skip?.(text)) return undefined;
  if (!text.includes("\ufffd")) return readNamed(listing, text, isUtf8(path) ? undefined : Buffer.from(text));
  const wanted = directory === "" ? text : `${directory}/${text}`;
  return (await listNames(listing, anchor)).find((entry) => entry.path === wanted);
}

/** A name that is longer than names can be is looked for in vain: that is no fault. */
function readNamed(listing: Listing, text: string, bytes: Buffer | undefined): Entry | undefined {
  try {
    return readEntry(listing, { name: text, bytes });
  } catch (error) {
    const { cause } = error as { cause?: NodeJS.ErrnoException };
    if (cause?.code === "ENAMETOOLONG" && Buffer.byteLength(text) > maxNameBytes) return undefined;
    throw error;
  }
}

/**
 * Reads one entry; undefined where it is not there, gone by now, or a link into what is left out. The way over the open
 * folder would take twice as long for each: what a path tells while it is led elsewhere is a size and times, and whoever
 * opens a file looks where it lies.
 */
function readEntry(listing: Listing, { name, bytes, stats: known }: Found): Entry | undefined {
  const { source, guard, directory } = listing;
  const place = placeOf(listing, name, bytes);
  const entryPath = directory === "" ? name : `${directory}/${name}`;
  const own = known ?? statOf(entryPath, place);
  const isLink = source.links === "resolve" && kindOf(own) === S_IFLNK;
  const stats = isLink ? guard.follow(entryPath, Buffer.from(place)) : own;
  if (!stats) return undefined;
  const mode = Number(stats.mode);
  const kind = kindOf(stats);
  if (source.links === "resolve") checkKind(entryPath, kind);
  const size = kind === S_IFREG ? Number(stats.size) : 0;
  const entry: Entry = {
    path: entryPath,
    mode: source.modeOf(mode),
    size,
    modifiedNs: stats.mtimeNs,
    version: { inode: stats.ino, changedNs: stats.ctimeNs },
    linkTarget: kind === S_IFLNK ? readableName(readLink(Buffer.from(place))) : "",
    open: kind === S_IFREG ? openerOf(listing, { entryPath, name: bytes ?? name, size, isLink }) : refuserOf(entryPath),
  };
  return bytes || isHardLink(source, stats) ? withRarities(entry, { listing, stats, name, bytes }) : entry;
}

function placeOf({ path, pathText }: Listing, name: string, bytes: Buffer | undefined): Buffer | string {
  return bytes ? joinBytes(path, bytes) : `${pathText}/${name}`;
}

/** What lies at a path, be it a link; undefined where nothing does. */
function statOf(entryPath: string, place: Buffer | string): Stats | undefined {
  try {
    return lstatSync(place, statOptions);
  } catch (cause) {
    throw unreadable(entryPath, cause as NodeJS.ErrnoException);
  }
}

/** Adds what few entries have. */
function withRarities(
  entry: Entry,
  { listing, stats, name, bytes }: { listing: Listing; stats: Stats; name: string; bytes: Buffer | undefined },
): Entry {
  const { source } = listing;
  const raw = bytes && rawPathIn(listing, { entryPath: entry.path, name, bytes });
  if (raw && kindOf(stats) === S_IFDIR) source.rawFolders.set(entry.path, raw);
  const inode = isHardLink(source, stats) ? { inode: `${stats.dev}:${stats.ino}` } : {};
  return { ...entry, ...(raw && { rawPath: raw }), ...inode };
}

/** The bits of a mode that tell files from folders; with its own questions a BigIntStats takes a tenth of the listing. */
function kindOf(stats: Stats | undefined): number {
  return Number(stats?.mode) & S_IFMT;
}

function rawPathIn(
  { source, directory }: Listing,
  { entryPath, name, bytes }: { entryPath: string; name: string; bytes: Buffer },
): Buffer | undefined {
  const rawFolder = source.rawFolders.get(directory);
  return rawFolder ? joinBytes(rawFolder, bytes) : rawPathOf(entryPath, name, bytes);
}

function rawPathOf(entryPath: string, name: string, bytes: Buffer): Buffer | undefined {
  if (!name.includes("\ufffd") || bytes.equals(Buffer.from(name))) return undefined;
  return Buffer.concat([Buffer.from(entryPath.slice(0, entryPath.length - name.length)), bytes]);
}

/** What a copy by faas-cli makes of hard links are files of their own. */
function isHardLink({ links }: Source, stats: Stats): boolean {
  return links === "keep" && stats.nlink > 1n && kindOf(stats) === S_IFREG;
}
