import { BuilderError } from "../errors.ts";
import { type Entry, isDirectory, isRegular, isSymlink, modeDevice, modeSocket } from "../model/context.ts";
import type { PacketWriter } from "./packet-writer.ts";
import { statHeadBytes, writeStat } from "./packets.ts";

/** True for what the daemon will take for a file and may ask for. */
export function isRequestable(entry: Entry): boolean {
  return isRegular(entry) || (entry.mode & modeSocket) !== 0;
}

const nothing = Buffer.alloc(0);

/**
 * Creates what sends one entry after another as a STAT. The owner is always 0:0, as every client does it: else it
 * would show in the image and its cache key. The second name of a file is sent as a link to the first that was sent.
 */
export function createStatWriter(writer: PacketWriter): (entry: Entry) => void {
  const firstNames = new Map<string, Buffer>();
  return (entry) => {
    if ((entry.mode & modeDevice) !== 0) {
      throw new BuilderError("context_invalid", `"${entry.path}" is a device; expected files, folders and links`);
    }
    const path = entry.rawPath ?? Buffer.from(entry.path);
    const link = isSymlink(entry) ? Buffer.from(entry.linkTarget) : hardLink(entry, path, firstNames);
    const stat = {
      path,
      link,
      // A socket becomes an empty file: there is nobody behind it in the image.
      mode: (entry.mode & ~modeSocket) >>> 0,
      size: sizeOf(entry, link),
      modifiedNs: entry.modifiedNs,
    };
    writer.add(statHeadBytes + path.length + link.length, (into, at) => writeStat(into, at, stat));
  };
}

function hardLink(entry: Entry, path: Buffer, firstNames: Map<string, Buffer>): Buffer {
  if (entry.inode === undefined || isDirectory(entry)) return nothing;
  const first = firstNames.get(entry.inode);
  if (first === undefined) firstNames.set(entry.inode, path);
  return first ?? nothing;
}

function sizeOf(entry: Entry, link: Buffer): number {
  if (isSymlink(entry)) return link.length;
  return isRegular(entry) && link.length === 0 ? entry.size : 0;
}
