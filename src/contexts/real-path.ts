import { fstatSync, lstatSync, readlinkSync, realpathSync } from "node:fs";
import { posix } from "node:path";
import { BuilderError } from "../errors.ts";
import { quoteName } from "./entry-name.ts";

const slash = Buffer.from("/");
/** Linux tells where an open file really lies, and reaches it by its number. */
export const hasDescriptorPaths = process.platform === "linux";

/** The real path of a folder of ours, as bytes. */
export function realFolder(folder: string): Buffer {
  try {
    return realpathSync.native(folder, { encoding: "buffer" });
  } catch (cause) {
    throw new BuilderError("context_invalid", `folder ${quoteName(folder)} does not exist`, { cause });
  }
}

/** True where a real path is a folder or lies below it. A sibling whose name only begins alike does not. */
export function isInside(folder: Buffer, path: Buffer): boolean {
  if (folder.equals(path) || folder.equals(slash)) return true;
  return (
    path.length > folder.length && path[folder.length] === slash[0] && path.subarray(0, folder.length).equals(folder)
  );
}

export function joinBytes(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, slash, name]);
}

/** The folder that a path lies in; "/" lies in itself. */
export function parentOf(path: Buffer): Buffer {
  return path.subarray(0, Math.max(1, path.lastIndexOf("/")));
}

/** What a link's text means in a folder, by the text alone. */
export function resolveBytes(folder: Buffer, target: Buffer): Buffer {
  return Buffer.from(posix.resolve(folder.toString("latin1"), target.toString("latin1")), "latin1");
}

/** The text of a link, as bytes. */
export function readLink(path: Buffer): Buffer {
  return readlinkSync(path, { encoding: "buffer" });
}

/**
 * The real path of an open file or folder, whatever its path leads to by now.
 * @throws BuilderError `path_forbidden` where the system cannot tell and the path leads somewhere else meanwhile
 */
export function openedPath(fd: number, path: Buffer): Buffer {
  if (hasDescriptorPaths) return readlinkSync(`/proc/self/fd/${fd}`, { encoding: "buffer" });
  const real = realpathSync.native(path, { encoding: "buffer" });
  const opened = fstatSync(fd, { bigint: true });
  const there = lstatSync(real, { bigint: true });
  if (opened.dev !== there.dev || opened.ino !== there.ino) {
    throw new BuilderError("path_forbidden", `${quoteName(path.toString())} was replaced while it was read`);
  }
  return real;
}

/** A path to an open folder that cannot be led elsewhere, where the system has such. */
export function anchorOf(fd: number, path: Buffer): Buffer {
  return hasDescriptorPaths ? Buffer.from(`/proc/self/fd/${fd}`) : path;
}
