import { closeSync, constants, openSync } from "node:fs";
import { anchorOf, hasDescriptorPaths, openedPath } from "./real-path.ts";

/**
 * Answers a path to a folder that cannot be led elsewhere while its files are opened, or undefined where there is none
 * such; the file's own path is to be used, and looked at, then.
 * @param path the very Buffer for all files of one folder: it is known again by its identity
 */
export type HoldFolder = (path: Buffer) => string | undefined;

/**
 * Creates what keeps the folder open from which files are opened one after another, until this turn of the event loop
 * ends. Where the folder really lies is looked at once and not for each of its files: that is the most expensive thing
 * about opening a small file.
 * @param mayLie tells of the real path of an opened folder whether its files may be read
 */
export function createHeldFolder(mayLie: (path: Buffer, real: Buffer) => boolean): HoldFolder {
  if (!hasDescriptorPaths) return () => undefined;
  let held: { readonly path: Buffer; readonly fd: number; readonly anchor: string } | undefined;
  const release = () => {
    if (held !== undefined) closeSync(held.fd);
    held = undefined;
  };
  return (path) => {
    if (held?.path === path) return held.anchor;
    const fd = openFolder(path);
    if (fd === undefined) return undefined;
    if (!mayLie(path, openedPath(fd, path))) {
      closeSync(fd);
      return undefined;
    }
    if (held === undefined) setImmediate(release);
    else closeSync(held.fd);
    held = { path, fd, anchor: anchorOf(fd, path).toString() };
    return held.anchor;
  };
}

function openFolder(path: Buffer): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return undefined;
  }
}
