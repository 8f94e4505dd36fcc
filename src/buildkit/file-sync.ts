/*
 * The file sync (moby.filesync.v1.FileSync/DiffCopy): the daemon asks for a named folder, we tell it what is in it,
 * it asks for the files that it does not have.
 *
 *   daemon  headers: dir-name, include-patterns, exclude-patterns, followpaths (each repeated)
 *   we      STAT per entry, numbered from 0 in the order of sending; then an empty STAT
 *   daemon  REQ id, at any time from the first STAT on; only regular files, each once
 *   we      DATA id ... DATA id, then DATA id without data = end of file
 *   daemon  FIN when it has all that it wants;  we  FIN, status 0
 *   either  ERR text: give up
 *
 * The daemon does not filter again: what we send is what a COPY sees. It has no other way to our files than the
 * entries of the contexts given here, by the numbers that we gave them.
 */
import { BuilderError, messageOf } from "../errors.ts";
import type { Context, Entry } from "../model/context.ts";
import { type Filter, walkContext } from "./context-walk.ts";
import { FileSender } from "./file-sender.ts";
import { status } from "./grpc-status.ts";
import { joinSignals } from "./joined-signal.ts";
import { maxInFlightBytes, PacketWriter } from "./packet-writer.ts";
import { errorPacket, finished, lastStat, readPacket } from "./packets.ts";
import { CallError, type CallHandler, type IncomingCall } from "./session-calls.ts";
import { createStatWriter, isRequestable } from "./stats.ts";

/** Path of the method. */
export const diffCopyPath = "/moby.filesync.v1.FileSync/DiffCopy";

/** A context of more entries is refused: each takes memory on both sides. */
const maxEntries = 2_000_000;

/*
 * The daemon takes packets one after another: a STAT waits until the one before the last 128 has its file made, DATA
 * until it is written. Only where both come mixed does it do both at once.
 */
const entriesAtOnce = 128;
/** How far entries run ahead of the files that are asked for. */
const maxAheadBytes = 128 * 1024;

/**
 * Serves contexts by name, and nothing else, to the daemon.
 * @param contexts by the name that the daemon asks for
 */
export function createFileSync(contexts: ReadonlyMap<string, Context>): CallHandler {
  return async (call) => {
    const name = call.header("dir-name")[0] ?? "";
    const context = contexts.get(name);
    if (context === undefined) throw new CallError(status.NOT_FOUND, `no folder "${name}" is offered`);
    try {
      await sync(context, readFilter(call), call);
    } catch (error) {
      call.stream.write(errorPacket(messageOf(error)));
      throw error;
    }
  };
}

async function sync(context: Context, filter: Filter, call: IncomingCall): Promise<void> {
  const stop = new AbortController();
  // It is looked at for each entry, and one of AbortSignal.any is slow to look at.
  using joined = joinSignals([call.signal, stop.signal]);
  const { signal } = joined;
  const writer = new PacketWriter(call.stream);
  const sender = new FileSender(writer, signal);
  const done = receive(call, sender, signal);
  try {
    await Promise.all([done, sender.run(done), announce({ context, filter, writer, sender, signal })]);
  } catch (error) {
    stop.abort(new Error("the file sync has ended"));
    throw error;
  }
  writer.flush();
  call.stream.write(finished);
}

/** Sends the STATs. */
async function announce(job: {
  context: Context;
  filter: Filter;
  writer: PacketWriter;
  sender: FileSender;
  signal: AbortSignal;
}): Promise<void> {
  const { writer, sender, signal } = job;
  const writeStat = createStatWriter(writer);
  let count = 0;
  const visit = (entry: Entry) => {
    if (count === maxEntries)
      throw new BuilderError("context_invalid", `the context has more than ${maxEntries} entries`);
    writeStat(entry);
    if (isRequestable(entry)) sender.offer(count, entry);
    count++;
  };
  let announced = 0;
  const room = () => {
    announced = (announced + 1) % entriesAtOnce;
    if (announced !== 0) return undefined;
    return writer.roomBelow(() => (sender.isBusy ? maxInFlightBytes : maxAheadBytes));
  };
  await walkContext(job.context, job.filter, { visit, room, signal });
  writer.add(lastStat.length, (into, at) => at + lastStat.copy(into, at));
}

/** Hears the daemon out until it says that it has all. */
function receive(call: IncomingCall, sender: FileSender, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    call.onMessage((message) => {
      try {
        const packet = readPacket(message);
        if (packet.kind === "request") sender.request(packet.id);
        else if (packet.kind === "finished") resolve();
        else if (packet.kind === "error")
          reject(new CallError(status.ABORTED, `BuildKit could not take the context: ${packet.text}`));
      } catch (error) {
        reject(error);
      }
    });
  });
}

function readFilter(call: IncomingCall): Filter {
  return {
    includes: readValues(call, "include-patterns"),
    excludes: readValues(call, "exclude-patterns"),
    follows: readValues(call, "followpaths"),
  };
}

/** Values of a header; all of them are form-encoded where one holds more than ASCII. */
function readValues(call: IncomingCall, name: string): readonly string[] {
  const values = call.header(name);
  if (call.header(`${name}-encoded`)[0] !== "1") return values;
  return values.map((value) => decodeURIComponent(value.replaceAll("+", " ")));
}
