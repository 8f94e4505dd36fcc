import { closeSync, constants, openSync } from "node:fs";
import { BuilderError } from "../errors.ts";
import type { EntryReader } from "../model/context.ts";
import { readable, unreadable } from "./entry-faults.ts";
import { quoteName } from "./entry-name.ts";
import { createFileReader } from "./file-reader.ts";
import type { HoldFolder } from "./held-folder.ts";
import { isInside, joinBytes, openedPath } from "./real-path.ts";

/** The folder that a file was listed in, and what its files may lead to. */
interface ListedFolder {
  readonly path: Buffer;
  readonly pathText: string;
  readonly source: Source;
}

interface Source {
  /** Real path of the folder that nothing may lead out of. */
  readonly within: Buffer;
  readonly links: "keep" | "resolve";
  readonly hold: HoldFolder;
}

/** What is kept of each file until it is opened; there may be very many. */
interface ListedFile {
  readonly entryPath: string;
  /** Bytes only where they are no UTF-8: a Buffer takes much more memory than a string. */
  readonly name: Buffer | string;
  readonly size: number;
  /** A link that is to be followed. */
  readonly isLink: boolean;
}

/**
 * Creates what opens a listed file: one that lies inside, whatever its path leads to by now.
 * @throws BuilderError `path_forbidden` on opening what leads outside, `context_invalid` on opening or reading what cannot
 *   be read
 */
export function openerOf({ source, path, pathText }: ListedFolder, file: ListedFile): () => EntryReader {
  return () => {
    const { name } = file;
    const place = typeof name === "string" ? `${pathText}/${name}` : joinBytes(path, name);
    const fd = openHeld(source, path, file) ?? openFollowing(source, place, file);
    return createFileReader(fd, { start: 0, size: file.size, faultOf: (cause) => unreadable(file.entryPath, cause) });
  };
}

/** Creates what stands for the opener of an entry without bytes. */
export function refuserOf(entryPath: string): () => never {
  return () => {
    throw new BuilderError("context_invalid", `${quoteName(entryPath)} is no file`);
  };
}

/** A pipe that has taken the file's place must not make the open wait. */
const openFlags = constants.O_RDONLY | constants.O_NONBLOCK;

/** Opens a file of a folder that was found to lie inside; undefined where this cannot be said of what has its name. */
function openHeld({ hold }: Source, path: Buffer, { name, isLink }: ListedFile): number | undefined {
  const folder = isLink ? undefined : hold(path);
  if (folder === undefined) return undefined;
  const place = typeof name === "string" ? `${folder}/${name}` : joinBytes(Buffer.from(folder), name);
  try {
    return openSync(place, openFlags | constants.O_NOFOLLOW);
  } catch {
    return undefined;
  }
}

/** Opens what a path leads to, and looks where that lies. */
function openFollowing({ within, links }: Source, place: Buffer | string, { entryPath }: ListedFile): number {
  const flags = openFlags | (links === "keep" ? constants.O_NOFOLLOW : 0);
  const fd = readable(entryPath, () => openSync(place, flags));
  try {
    if (isInside(within, openedPath(fd, Buffer.from(place)))) return fd;
    throw new BuilderError("path_forbidden", `${quoteName(entryPath)} leads out of the repository`);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
