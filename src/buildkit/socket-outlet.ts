import type { Socket } from "node:net";
import type { Outlet } from "./http2-sender.ts";
import { createSlabs } from "./slabs.ts";

/** What leaves at once: about what Linux takes of one write to a socket. */
const slabBytes = 256 * 1024;
const slabs = createSlabs(slabBytes, { kept: 8 });
/** What may be handed to the socket and not yet be gone. Answers to PINGs wait behind it: more would delay them. */
const maxInFlightBytes = 4 * slabBytes;
/** So many writes may be under way; what comes meanwhile is gathered, however small it is. */
const maxWrites = 4;

/**
 * Gathers what a connection writes and sends it once per turn of the event loop, or when a slab is full. Slabs are used
 * again: new memory would cost a page fault for every 4 KiB that is sent.
 */
export class SocketOutlet implements Outlet {
  readonly #socket: Socket;
  readonly #onRoom: () => void;
  #slab: Buffer | undefined;
  #used = 0;
  #inFlight = 0;
  #writes = 0;
  #isPlanned = false;

  /** @param onRoom hears that something is gone */
  constructor(socket: Socket, onRoom: () => void) {
    this.#socket = socket;
    this.#onRoom = onRoom;
  }

  room(): number {
    return maxInFlightBytes - this.#inFlight - this.#used;
  }

  begin(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    process.nextTick(() => {
      this.#isPlanned = false;
      this.#flush();
    });
  }

  put(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      this.#slab ??= slabs.take();
      const size = Math.min(end - at, slabBytes - this.#used);
      this.#slab.set(size === bytes.length ? bytes : bytes.subarray(at, at + size), this.#used);
      this.#used += size;
      at += size;
      if (this.#used === slabBytes) this.#send(this.#slab);
    }
  }

  /** Sends what is gathered and closes the socket. */
  end(): void {
    if (this.#slab !== undefined) this.#send(this.#slab);
    this.#socket.destroySoon();
  }

  #flush(): void {
    if (this.#slab !== undefined && this.#writes < maxWrites) this.#send(this.#slab);
  }

  #send(slab: Buffer): void {
    const bytes = this.#used;
    this.#slab = undefined;
    this.#used = 0;
    this.#inFlight += bytes;
    this.#writes++;
    this.#socket.write(slab.subarray(0, bytes), () => {
      this.#inFlight -= bytes;
      this.#writes--;
      slabs.give(slab);
      this.#flush();
      this.#onRoom();
    });
  }
}
