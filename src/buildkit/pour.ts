import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { createBytesReader } from "./bytes-messages.ts";
import type { IncomingCall } from "./session-calls.ts";
import { createSlabs } from "./slabs.ts";

/** What is written at once: the pieces that come are of a few KiB. */
const slabBytes = 1024 * 1024;
const slabs = createSlabs(slabBytes, { kept: 2 });
/** So many writes may be under way until the daemon is held back; what is on its way then still finds room. */
const maxWrites = 2;

/**
 * Writes the raw bytes of a call to a sink, to their end, and ends the sink.
 * @throws Error of the sink, or when the call breaks off
 */
export async function pour({ stream, signal }: IncomingCall, sink: Writable): Promise<void> {
  const done = finished(sink, { readable: false });
  const writer = createSlabWriter(sink, { onFull: () => stream.hold(), onRoom: () => stream.release() });
  const stop = () => void sink.destroy(signal.reason as Error);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  stream.listen({
    onBytes: createBytesReader(writer.put),
    onEnd() {
      writer.flush();
      sink.end();
    },
  });
  try {
    await done;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Gathers pieces in slabs. */
function createSlabWriter(sink: Writable, { onFull, onRoom }: { onFull: () => void; onRoom: () => void }) {
  let slab: Buffer | undefined;
  let used = 0;
  let writes = 0;
  const flush = () => {
    if (slab === undefined) return;
    const written = slab;
    writes++;
    if (writes >= maxWrites) onFull();
    sink.write(written.subarray(0, used), () => {
      slabs.give(written);
      writes--;
      if (writes < maxWrites) onRoom();
    });
    slab = undefined;
    used = 0;
  };
  const put = (chunk: Buffer, start: number, end: number) => {
    for (let at = start; at < end; ) {
      slab ??= slabs.take();
      const copied = chunk.copy(slab, used, at, end);
      at += copied;
      used += copied;
      if (used === slabBytes) flush();
    }
  };
  return { put, flush };
}
