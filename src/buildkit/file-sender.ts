import { BuilderError } from "../errors.ts";
import type { Entry, EntryReader } from "../model/context.ts";
import type { PacketWriter } from "./packet-writer.ts";
import { createSlabs } from "./slabs.ts";

/** Up to this size a file is read into one buffer and packed together with others. */
const smallBytes = 256 * 1024;
/** So many files are sent before other work of the process gets its turn: entries are announced between them. */
const filesAtOnce = 128;
const slabs = createSlabs(smallBytes, { kept: 4 });

/** Sends the files that the daemon asks for, in the order of asking. */
export class FileSender {
  readonly #writer: PacketWriter;
  readonly #signal: AbortSignal;
  /** By number; a hole is nothing that may be asked for. */
  readonly #offered: (Entry | undefined)[] = [];
  readonly #small = slabs.take();
  #requested: number[] = [];
  #wake: (() => void) | undefined;
  #sentInTurn = 0;

  constructor(writer: PacketWriter, signal: AbortSignal) {
    this.#writer = writer;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wake?.(), { once: true });
  }

  /** Whether files are being sent. */
  get isBusy(): boolean {
    return this.#wake === undefined;
  }

  /** Lets the daemon ask for an entry by its number. */
  offer(id: number, entry: Entry): void {
    this.#offered[id] = entry;
  }

  /**
   * Notes that the daemon wants a file.
   * @throws BuilderError `buildkit_refused` where it was not offered or is asked for twice
   */
  request(id: number): void {
    if (this.#offered[id] === undefined) throw refused(id, "which is not on offer");
    this.#requested.push(id);
    this.#wake?.();
  }

  /** Sends until `done` resolves; once. */
  async run(done: Promise<void>): Promise<void> {
    let ended = false;
    const end = () => {
      ended = true;
      this.#wake?.();
    };
    void done.then(end, end);
    try {
      while (!ended) {
        if (this.#requested.length === 0) await this.#sleep();
        const batch = this.#requested;
        this.#requested = [];
        await this.#sendAll(batch);
      }
    } finally {
      slabs.give(this.#small);
    }
  }

  async #sleep(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  /** No promise is made for a small file whose source answers at once: with 50 000 of them that is what counts. */
  async #sendAll(ids: readonly number[]): Promise<void> {
    for (const id of ids) {
      if (this.#sentInTurn++ === filesAtOnce) await this.#yield();
      this.#signal.throwIfAborted();
      const full = this.#writer.room();
      if (full !== undefined) await full;
      const entry = this.#take(id);
      const sending = entry.size <= smallBytes ? this.#sendSmall(id, entry) : this.#sendLarge(id, entry);
      if (sending !== undefined) await sending;
    }
  }

  async #yield(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#sentInTurn = 0;
  }

  #take(id: number): Entry {
    const entry = this.#offered[id];
    if (entry === undefined) throw refused(id, "for the second time");
    this.#offered[id] = undefined;
    return entry;
  }

  #sendSmall(id: number, entry: Entry): Promise<void> | undefined {
    if (entry.size === 0) {
      this.#writer.addEnd(id);
      return undefined;
    }
    const reader = entry.open();
    let length: number | Promise<number>;
    try {
      length = reader.read(this.#small.subarray(0, entry.size));
    } catch (error) {
      void reader.close();
      throw error;
    }
    if (length !== entry.size) return this.#finishSmall({ id, entry, reader }, length);
    this.#writer.addData(id, this.#small.subarray(0, length));
    this.#writer.addEnd(id);
    const closing = reader.close();
    return closing === undefined ? undefined : closing;
  }

  /** Goes on where the source needs time or gives the file in pieces. */
  async #finishSmall(file: { id: number; entry: Entry; reader: EntryReader }, first: number | Promise<number>) {
    const { id, entry, reader } = file;
    try {
      let length = await first;
      for (let sent = 0; length > 0; length = await reader.read(this.#small.subarray(0, entry.size - sent))) {
        this.#writer.addData(id, this.#small.subarray(0, length));
        sent += length;
        if (sent === entry.size) break;
      }
    } finally {
      await reader.close();
    }
    this.#writer.addEnd(id);
  }

  async #sendLarge(id: number, entry: Entry): Promise<void> {
    const reader = entry.open();
    try {
      for (let sent = 0; sent < entry.size; ) {
        this.#signal.throwIfAborted();
        await this.#writer.room();
        const left = entry.size - sent;
        const length = await this.#writer.sendRead(id, (target) => reader.read(target.subarray(0, left)));
        if (length === 0) break;
        sent += length;
      }
    } finally {
      await reader.close();
    }
    this.#writer.addEnd(id);
  }
}

function refused(id: number, how: string): BuilderError {
  return new BuilderError("buildkit_refused", `BuildKit asks for file ${id}, ${how}`);
}
