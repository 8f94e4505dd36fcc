/*
 * The file sync the other way round: the daemon tells what is in a folder and we ask for its files.
 *
 *   daemon  STAT per entry, numbered from 0 in the order of sending; then an empty STAT
 *   we      REQ id for each regular file that is no link to an earlier one
 *   daemon  DATA id ... DATA id, then DATA id without data = end of file; files may interleave
 *   we      FIN when all is there;  daemon  FIN, and ends
 *
 * What comes is as hostile as the Dockerfile that made it. Nothing is written outside of the folder: a path is clean
 * and relative, its parent was announced as a folder in this same transfer and was found or made as a real one (a
 * link in its place is removed), and no path comes twice. Files appear under a name of ours first and are then moved
 * into place, which follows no link either. Links are stored as they are and never followed; devices and pipes are
 * left out. All becomes ours: the owner of an entry is not taken.
 */
import { BuilderError, messageOf } from "../errors.ts";
import { modeDirectory, modeSymlink } from "../model/context.ts";
import { messagesOf, sendMessage } from "./call-streams.ts";
import { FolderWriter } from "./folder-writer.ts";
import { Packet, type Stat } from "./generated/fsutil.ts";
import { status } from "./grpc-status.ts";
import { CallError, type IncomingCall } from "./session-calls.ts";

const typeStat = 0;
const typeRequest = 1;
const typeData = 2;
const typeFinished = 3;
const typeError = 4;
/** All of Go's type bits. */
const modeType = 0x8f280000;
const maxEntries = 2_000_000;
/** A daemon that sends all platforms in one transfer says so; of an older one each would delete the others' files. */
const wholeHeader = "buildkit-exporter-multi-platform";

/**
 * Receives a folder.
 * @param folder where it goes; made where it is missing
 * @param options.deletes whether what is there and does not come is deleted, when all has come
 * @throws BuilderError `output_failed` when it cannot be written, or the daemon sends what must not be written
 */
export async function receiveFolder(
  call: IncomingCall,
  folder: string,
  { deletes = false }: { deletes?: boolean } = {},
): Promise<void> {
  if (deletes && call.header(wholeHeader)[0] !== "1")
    throw new BuilderError("output_failed", `output "${folder}": this BuildKit is too old for mode=delete`);
  const writer = new FolderWriter(folder);
  try {
    await writer.open();
    await receive(call, writer, { deletes });
  } catch (error) {
    if (call.signal.aborted || error instanceof BuilderError || error instanceof CallError) throw error;
    throw new BuilderError("output_failed", `output "${folder}" cannot be written: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    await writer.close();
  }
}

async function receive(call: IncomingCall, writer: FolderWriter, { deletes }: { deletes: boolean }): Promise<void> {
  const listing = { count: 0, isOver: false };
  let isFinished = false;
  for await (const message of messagesOf(call)) {
    const packet = Packet.decode(message);
    if (packet.type === typeFinished || isFinished) return;
    await takePacket(packet, { call, writer, listing });
    if (!listing.isOver || !writer.isComplete()) continue;
    if (deletes) await writer.deleteOthers();
    await writer.finish();
    await sendMessage(call, encode({ type: typeFinished }));
    isFinished = true;
  }
  if (!isFinished) throw new Error("the daemon ended before all files were there");
}

interface Receiving {
  readonly call: IncomingCall;
  readonly writer: FolderWriter;
  readonly listing: { count: number; isOver: boolean };
}

async function takePacket({ type, stat, id, data }: Packet, { call, writer, listing }: Receiving): Promise<void> {
  if (type === typeError) throw new CallError(status.ABORTED, `BuildKit gives the output up: ${data}`);
  if (type === typeData) return data.length === 0 ? writer.endFile(id) : writer.writeFile(id, data);
  if (type !== typeStat) return;
  if (stat === undefined) {
    listing.isOver = true;
    return;
  }
  const place = listing.count++;
  if (place === maxEntries) throw new BuilderError("output_failed", `more than ${maxEntries} entries are sent`);
  if (await takeEntry(stat, place, writer)) await sendMessage(call, encode({ type: typeRequest, id: place }));
}

/** @returns whether the content of the entry has to be asked for */
async function takeEntry(stat: Stat, id: number, writer: FolderWriter): Promise<boolean> {
  const { path, mode, linkname } = stat;
  const entry = { path, mode: permissions(mode), modifiedNs: stat.modTime };
  if ((mode & modeDirectory) !== 0) await writer.addFolder(entry);
  else if ((mode & modeSymlink) !== 0) await writer.addSymlink({ ...entry, target: linkname });
  else if ((mode & modeType) !== 0) writer.skip(path);
  else if (linkname !== "") writer.addLink({ ...entry, target: linkname });
  else {
    writer.addFile(id, entry);
    return true;
  }
  return false;
}

/** Permission bits of the disk from Go's mode. */
function permissions(mode: number): number {
  const setuid = (mode & 0x00800000) === 0 ? 0 : 0o4000;
  const setgid = (mode & 0x00400000) === 0 ? 0 : 0o2000;
  const sticky = (mode & 0x00100000) === 0 ? 0 : 0o1000;
  return (mode & 0o777) | setuid | setgid | sticky;
}

function encode(packet: { type: number; id?: number }): Uint8Array {
  return Packet.encode(Packet.fromPartial(packet)).finish();
}
