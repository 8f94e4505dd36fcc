import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import { join } from "node:path";
import {
  type Context,
  type Entry,
  modeDirectory,
  modeFifo,
  modeSetgid,
  modeSetuid,
  modeSticky,
  modeSymlink,
} from "../../src/model/context.ts";

/** A folder of the disk as a context, for a comparison with buildctl. Names have to be UTF-8. */
export function createDiskContext(root: string): Context {
  return {
    async list(directory) {
      const names = readdirSync(join(root, directory)).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      return names.map((name) => readEntry(root, directory === "" ? name : `${directory}/${name}`));
    },
  };
}

function readEntry(root: string, path: string): Entry {
  const file = join(root, path);
  const stat = lstatSync(file, { bigint: true });
  return {
    path,
    mode: goMode(Number(stat.mode)),
    size: stat.isFile() ? Number(stat.size) : 0,
    modifiedNs: stat.mtimeNs,
    linkTarget: stat.isSymbolicLink() ? readlinkSync(file) : "",
    ...(stat.nlink > 1n && stat.isFile() ? { inode: `${stat.dev}:${stat.ino}` } : {}),
    open: () => openFile(file),
  };
}

function openFile(file: string) {
  const descriptor = openSync(file, "r");
  return {
    read: (target: Uint8Array) => readSync(descriptor, target),
    close: () => closeSync(descriptor),
  };
}

function goMode(mode: number): number {
  const types = new Map([
    [0o040000, modeDirectory],
    [0o120000, modeSymlink],
    [0o010000, modeFifo],
  ]);
  const special =
    (mode & 0o4000 ? modeSetuid : 0) | (mode & 0o2000 ? modeSetgid : 0) | (mode & 0o1000 ? modeSticky : 0);
  return ((mode & 0o777) | special | (types.get(mode & 0o170000) ?? 0)) >>> 0;
}
