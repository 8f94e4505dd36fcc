import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { BuildEvent } from "../model/build-event.ts";
import type { Redactor } from "../model/redaction.ts";
import { createBuildLines } from "./build-lines.ts";
import type { LogName, LogRows } from "./log-rows.ts";
import type { LogStore } from "./log-store.ts";
import { createLogWriter } from "./log-writer.ts";
import { createLogReader, type FollowOptions, followLog, type ReadLog, readParts } from "./read-log.ts";

/*
 * The log of one function of one run lives in two places. While it is written its parts stand in the database, where
 * every server can read them and a killed one loses none. When its function has ended it is packed and handed to the
 * store, and the parts go. A place in a log is the number of bytes before it: it stays the same wherever the log is, so
 * whoever follows a log goes on exactly where they were, at any server.
 */

/** A log that is being written. */
export interface BuildLog extends AsyncDisposable {
  event(event: BuildEvent): void;
  /** A line of ours. */
  note(text: string): void;
}

export interface BuildLogs {
  /** Opens a log to write at its end. Nothing that goes wrong with it reaches whoever writes. */
  open(log: LogName): Promise<BuildLog>;
  /**
   * Packs the logs of functions that have ended, and hands them to the store.
   * @throws BuilderError `log_store_failed`, `database_unreachable`: the rest waits for the next time
   */
  pack(): Promise<void>;
  readonly read: ReadLog;
  follow(log: LogName, options: FollowOptions): AsyncIterable<Buffer>;
  /** The last bytes of a log, from the beginning of a line. */
  tail(log: LogName, maxBytes: number): Promise<string>;
  /** Forgets logs that began before a moment. */
  forget(options: { before: Date }): Promise<void>;
}

/** Beyond it nothing is added to a log. */
const maxLogLength = 64 * 1024 * 1024;
const atOnce = 100;

/**
 * Creates the logs of builds.
 * @param options.redactor with the secrets of this moment
 * @param options.onLost hears of what could not be written
 */
export function createBuildLogs(options: {
  readonly rows: LogRows;
  readonly store: LogStore;
  redactor(): Promise<Redactor>;
  onLost(log: LogName, error: unknown): void;
}): BuildLogs {
  const { rows, store } = options;
  const read = createLogReader(options);
  return {
    read,
    follow: (log, how) => followLog(log, read, how),
    async open(log) {
      const onLost = (error: unknown) => options.onLost(log, error);
      return openLog(await options.redactor(), { append: (text) => rows.append(log, text), onLost });
    },
    async pack() {
      for (const log of await rows.ended({ limit: atOnce })) {
        const place = placeOf(log);
        await store.put(place, await pipeline(readParts(log, 0, rows), createGzip(), (packed) => buffer(packed)));
        await rows.storePlace(log, place);
      }
    },
    async tail(log, maxBytes) {
      const { bytes = 0 } = (await rows.stateOf(log)) ?? {};
      const from = Math.max(0, bytes - maxBytes);
      const text = (await buffer(Readable.from((await read(log, from)) ?? []))).toString();
      return from === 0 ? text : text.slice(text.indexOf("\n") + 1);
    },
    async forget({ before }) {
      for (let old = await rows.oldest({ before, limit: atOnce }); old.length > 0; ) {
        for (const { place, ...log } of old) {
          if (place !== undefined) await store.delete(place);
          await rows.delete(log);
        }
        old = await rows.oldest({ before, limit: atOnce });
      }
    },
  };
}

function openLog(
  redactor: Redactor,
  { append, onLost }: { append(text: string): Promise<void>; onLost(error: unknown): void },
): BuildLog {
  const lines = createBuildLines(redactor);
  const writer = createLogWriter({ append, onLost });
  let length = 0;
  const write = (told: readonly string[]) => {
    if (length > maxLogLength) return;
    length += told.reduce((sum, line) => sum + line.length + 1, 0);
    writer.write(length > maxLogLength ? ["(the rest is left out: the log is too long)"] : told);
  };
  return {
    event: (event) => write(lines.take(event)),
    note: (text) => write([redactor.text(text)]),
    async [Symbol.asyncDispose]() {
      write(lines.end());
      await writer[Symbol.asyncDispose]();
    },
  };
}

/** Where a log is kept: names of strangers make no path. */
function placeOf({ push, function: name }: LogName): string {
  return `${pathWord(push)}/${pathWord(name)}.log.gz`;
}

function pathWord(text: string): string {
  const isPlain = /^[a-z0-9][a-z0-9_-]{0,99}$/i.test(text);
  return isPlain ? text : `x-${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
}
