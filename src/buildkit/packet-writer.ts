import type { Http2Stream } from "./http2-stream.ts";
import { dataEndBytes, dataHeadBytes, writeDataEnd, writeDataHead } from "./packets.ts";
import { createSlabs } from "./slabs.ts";

/** The bytes of one DATA packet: with its head it fits the largest buffers that the daemon uses again, of 1 MiB. */
const maxDataBytes = 1024 * 1024 - 64;

const slabBytes = maxDataBytes + 1024;
const slabs = createSlabs(slabBytes, { kept: 4 });
/** What may be handed to the stream and not yet be gone. Health answers share the connection: more would delay them. */
export const maxInFlightBytes = 2 * 1024 * 1024;

/**
 * Writes packets to the stream of one file sync. Small ones are gathered in a slab that leaves once per turn of the
 * event loop; slabs are reused, and file contents are written where they were read to, uncopied.
 */
export class PacketWriter {
  readonly #stream: Http2Stream;
  #slab: Buffer | undefined;
  #used = 0;
  #inFlight = 0;
  #flushPlanned = false;
  #drained: PromiseWithResolvers<void> | undefined;

  constructor(stream: Http2Stream) {
    this.#stream = stream;
    stream.signal.addEventListener("abort", () => this.#tellDrained(), { once: true });
  }

  /** Waits while too much is under way; undefined where there is room at once. Ends, too, when the stream does. */
  room(): Promise<void> | undefined {
    if (this.#inFlight < maxInFlightBytes || this.#stream.isClosed) return undefined;
    return this.roomBelow(() => maxInFlightBytes);
  }

  /**
   * Waits while as much as a limit is under way. Ends, too, when the stream does.
   * @param limit asked anew whenever something is gone; answers bytes
   */
  async roomBelow(limit: () => number): Promise<void> {
    while (this.#inFlight >= limit() && !this.#stream.isClosed) {
      this.#drained ??= Promise.withResolvers<void>();
      await this.#drained.promise;
    }
  }

  /** Lets `write` put a packet of at most `bytes` into the slab: it gets the place and answers where it ended. */
  add(bytes: number, write: (into: Buffer, at: number) => number): void {
    if (bytes > slabBytes) throw new Error(`a packet of ${bytes} bytes is too long, expected at most ${slabBytes}`);
    if (this.#slab !== undefined && this.#used + bytes > slabBytes) this.flush();
    this.#slab ??= slabs.take();
    this.#used = write(this.#slab, this.#used);
    this.#planFlush();
  }

  /** Adds bytes of a file. */
  addData(id: number, data: Uint8Array): void {
    this.add(dataHeadBytes + data.length, (into, at) => {
      const start = writeDataHead(into, at, { id, length: data.length });
      into.set(data, start);
      return start + data.length;
    });
  }

  /** Says that a file is complete. */
  addEnd(id: number): void {
    this.add(dataEndBytes, (into, at) => writeDataEnd(into, at, id));
  }

  /**
   * Reads a piece of a file straight into a slab of its own and sends it.
   * @param read fills the buffer, at most {@link maxDataBytes}; answers the bytes read
   * @returns the bytes read, 0 at the end of the file
   */
  async sendRead(id: number, read: (target: Uint8Array) => number | Promise<number>): Promise<number> {
    const slab = slabs.take();
    const length = await read(slab.subarray(dataHeadBytes, dataHeadBytes + maxDataBytes));
    if (length === 0) slabs.give(slab);
    else this.#send(slab, writeDataHead(slab, 0, { id, length }) + length);
    return length;
  }

  /** Sends what is gathered. */
  flush(): void {
    if (this.#slab === undefined) return;
    this.#send(this.#slab, this.#used);
    this.#slab = undefined;
    this.#used = 0;
  }

  #planFlush(): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    setImmediate(() => {
      this.#flushPlanned = false;
      this.flush();
    });
  }

  #send(slab: Buffer, length: number): void {
    this.#inFlight += length;
    this.#stream.write(slab.subarray(0, length), () => {
      this.#inFlight -= length;
      slabs.give(slab);
      this.#tellDrained();
    });
  }

  #tellDrained(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }
}
