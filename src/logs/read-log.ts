import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { createBell } from "./bell.ts";
import type { LogName, LogRows } from "./log-rows.ts";
import type { LogStore } from "./log-store.ts";

export interface FollowOptions {
  /** Bytes that are known already. */
  readonly from: number;
  /** Whether nothing is written to the log any more. */
  hasEnded(): Promise<boolean>;
  /** Calls back whenever there may be more, until it is disposed of. */
  hear(listener: () => void): Disposable;
  readonly signal: AbortSignal;
}

/** Reads one log from a byte on, as far as it is. Undefined: there is none. */
export type ReadLog = (log: LogName, from: number) => Promise<AsyncIterable<Buffer> | undefined>;

/** Wake-ups may be lost. */
const lookMs = 2000;

/** Creates what reads logs, wherever they are. */
export function createLogReader({ rows, store }: { rows: LogRows; store: LogStore }): ReadLog {
  const openStored = async (place: string, from: number) => readStored(await store.open(place), from);
  const readWritten = async function* (log: LogName, from: number) {
    let at = from;
    for await (const bytes of readParts(log, from, rows)) {
      at += bytes.length;
      yield bytes;
    }
    // It may have been packed meanwhile: then the store has what the parts did not.
    const place = (await rows.stateOf(log))?.place;
    if (place !== undefined) yield* await openStored(place, at);
  };
  return async (log, from) => {
    const state = await rows.stateOf(log);
    if (!state) return undefined;
    return state.place === undefined ? readWritten(log, from) : openStored(state.place, from);
  };
}

/**
 * Follows a log until it is whole, also from before it begins.
 * @throws BuilderError as `read` does
 */
export async function* followLog(log: LogName, read: ReadLog, options: FollowOptions): AsyncGenerator<Buffer> {
  const { signal, from, hasEnded } = options;
  using bell = createBell(signal);
  using _hearing = options.hear(bell.ring);
  for (let at = from; !signal.aborted; ) {
    // Asked before it is read: what was written before the end is read after it.
    const isLast = await hasEnded();
    for await (const bytes of (await read(log, at)) ?? []) {
      at += bytes.length;
      yield bytes;
    }
    if (isLast) return;
    await bell.sleep(lookMs);
  }
}

/** All parts of a log that is written. */
export async function* readParts(log: LogName, from: number, rows: Pick<LogRows, "partsFrom">): AsyncGenerator<Buffer> {
  for (let at = from; ; ) {
    const parts = await rows.partsFrom(log, at);
    if (parts.length === 0) return;
    for (const part of parts) {
      const bytes = Buffer.from(part.text);
      yield bytes.subarray(Math.max(0, at - part.at));
      at = part.at + bytes.length;
    }
  }
}

async function* readStored(packed: Readable, from: number): AsyncGenerator<Buffer> {
  let at = 0;
  // A fault of what is packed ends what is unpacked with it, where it is read; pipe() alone would leave it to nobody.
  const unpacked = pipeline(packed, createGunzip(), () => {});
  try {
    for await (const bytes of unpacked as AsyncIterable<Buffer>) {
      const rest = bytes.subarray(Math.max(0, from - at));
      at += bytes.length;
      if (rest.length > 0) yield rest;
    }
  } finally {
    unpacked.destroy();
  }
}
