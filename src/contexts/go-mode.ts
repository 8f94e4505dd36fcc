import { constants } from "node:fs";
import {
  modeCharDevice,
  modeDevice,
  modeDirectory,
  modeFifo,
  modeSetgid,
  modeSetuid,
  modeSocket,
  modeSticky,
  modeSymlink,
} from "../model/context.ts";

/** Turns st_mode of Unix into Go's os.FileMode. */
export function goMode(mode: number): number {
  const type = types.get(mode & constants.S_IFMT) ?? 0;
  const special =
    (mode & 0o4000 ? modeSetuid : 0) | (mode & 0o2000 ? modeSetgid : 0) | (mode & 0o1000 ? modeSticky : 0);
  return (type | special | (mode & 0o777)) >>> 0;
}

/**
 * Turns st_mode into what it is after faas-cli has copied a file or folder: it makes folders by mkdir, which takes neither
 * setuid nor setgid, under a umask that lets nobody but the owner write.
 */
export function copiedMode(mode: number): number {
  const isFolder = (mode & constants.S_IFMT) === constants.S_IFDIR;
  return goMode(isFolder ? mode & ~0o6022 : mode);
}

const types = new Map([
  [constants.S_IFDIR, modeDirectory],
  [constants.S_IFLNK, modeSymlink],
  [constants.S_IFIFO, modeFifo],
  [constants.S_IFSOCK, modeSocket],
  [constants.S_IFBLK, modeDevice],
  [constants.S_IFCHR, modeDevice | modeCharDevice],
]);

/** Permission bits, setuid, setgid and sticky of Go's os.FileMode, as chmod takes them. */
export function unixPermissions(mode: number): number {
  return (
    (mode & 0o777) |
    (mode & modeSetuid ? 0o4000 : 0) |
    (mode & modeSetgid ? 0o2000 : 0) |
    (mode & modeSticky ? 0o1000 : 0)
  );
}
