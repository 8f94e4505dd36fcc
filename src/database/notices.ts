import { setTimeout as wait } from "node:timers/promises";
import { Client } from "pg";
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";

export const noticeChannel = "of_builder";

/** That something of a push has changed. It only wakes who waits for it: what counts stands in the tables. */
export interface Notice {
  /** Id of the run, or of the command. */
  readonly push: string;
  readonly what: "cancelled" | "changed" | "report" | "log" | "command";
}

/** What all processes on a database tell each other. */
export interface Notices extends AsyncDisposable {
  /** Hears of every notice until it is disposed of; `undefined` = some may have been missed. */
  hear(listener: (notice: Notice | undefined) => void): Disposable;
}

const firstWaitMs = 250;
const maxWaitMs = 5_000;

/**
 * Listens on a session of its own, which is opened again when it is lost. It must reach PostgreSQL itself: a pooler in
 * transaction mode brings no notices, and whoever hears them polls slowly besides.
 */
export function listenToNotices({ databaseUrl, log }: { databaseUrl: string; log: Log }): Notices {
  const listeners = new Set<(notice: Notice | undefined) => void>();
  const ended = new AbortController();
  const tellAll = (notice: Notice | undefined) => {
    for (const listener of [...listeners]) listener(notice);
  };

  const listen = async () => {
    for (let waitMs = firstWaitMs; !ended.signal.aborted; waitMs = Math.min(waitMs * 2, maxWaitMs)) {
      try {
        await listenOnce(databaseUrl, { tellAll, signal: ended.signal, onOpen: () => (waitMs = firstWaitMs) });
      } catch (error) {
        log.warn({ reason: messageOf(error) }, "no notices from the database; asking again");
      }
      await wait(waitMs, undefined, { signal: ended.signal }).catch(() => {});
    }
  };
  const listening = listen();
  return {
    hear(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    async [Symbol.asyncDispose]() {
      ended.abort();
      await listening;
    },
  };
}

/** Returns when the session has ended. */
async function listenOnce(
  databaseUrl: string,
  { tellAll, signal, onOpen }: { tellAll(notice: Notice | undefined): void; signal: AbortSignal; onOpen(): void },
): Promise<void> {
  const session = new Client({ connectionString: databaseUrl, keepAlive: true, connectionTimeoutMillis: 10_000 });
  session.on("error", () => {});
  session.on("notification", ({ payload }) => tellAll(parseNotice(payload)));
  const closed = new Promise<void>((resolve) => {
    session.once("end", resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  try {
    await session.connect();
    await session.query(`listen ${noticeChannel}`);
    onOpen();
    tellAll(undefined);
    await closed;
  } finally {
    await session.end().catch(() => {});
  }
}

/** Another version of ours may say things that this one does not know: they count as missed. */
function parseNotice(payload: string | undefined): Notice | undefined {
  try {
    return JSON.parse(payload ?? "");
  } catch {
    return undefined;
  }
}
