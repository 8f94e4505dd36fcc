import type { ChildProcess } from "node:child_process";
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { createCluster } from "./cluster.ts";
import { findBinaries } from "./postgres-binaries.ts";
import { type PostgresPlace, settlePlace } from "./postgres-place.ts";
import { askServer, endServer, endStrangersServer, launchServer, role } from "./postgres-server.ts";

export interface PostgresOptions {
  /** Folder that belongs to PostgreSQL alone; made where it is missing. */
  readonly folder: string;
  readonly log: Log;
  /** System user to run as when this process is root, which PostgreSQL refuses; found or made where absent. */
  readonly user?: string;
  /** Folder with `postgres` and `initdb`, instead of the npm package's. */
  readonly binaries?: string;
  readonly signal?: AbortSignal;
}

export interface Postgres extends AsyncDisposable {
  /** Connects as superuser to the database `app`. */
  readonly url: string;
  /** False where the server was already running: then it is not ours to stop. */
  readonly started: boolean;
  /** Ends the server in good order, if this call started it or it was adopted, and waits until it is gone. */
  stop(): Promise<void>;
  /** Makes the server ours to stop. Only for who knows that the process which started it is dead. */
  adopt(): void;
}

/** Recovery after a power cut may take minutes. */
const startLimitMs = 5 * 60_000;

/**
 * Starts a PostgreSQL of our own on a folder, or attaches to the one that runs there.
 *
 * - It listens on a unix socket only, in a folder of mode 0700: who may open that is trusted.
 * - It is a process group of its own: Ctrl-C on the terminal does not reach it, and when this process is killed it
 *   stays, and the next start attaches to it. When it is killed, it is started again.
 * - postmaster.pid decides between two that start at once: the loser's server leaves and the loser attaches.
 *
 * @returns the address; whoever starts it stops it (`await using`)
 * @throws BuilderError `tool_missing` without binaries; `database_unreachable` with the server's last words
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const { log } = options;
  const signal = AbortSignal.any([AbortSignal.timeout(startLimitMs), ...(options.signal ? [options.signal] : [])]);
  signal.throwIfAborted();
  const place = await settlePlace(options);
  const url = `postgres://${role}@localhost:5432/${role}?host=${encodeURIComponent(place.socketFolder)}`;
  if ((await askServer(place)) === "ready") return attached(url, place, log);

  const binaries = await findBinaries({ ...options, place });
  await createCluster({ place, binaries, role, signal });
  const server = await launchServer({ place, binaries, signal });
  if (!server) return attached(url, place, log);
  log.info({ folder: place.home, pid: server.pid }, "PostgreSQL started");
  const stop = supervise(server, { place, binaries, log });
  return { url, started: true, stop, adopt: () => {}, [Symbol.asyncDispose]: stop };
}

function attached(url: string, place: PostgresPlace, log: Log): Postgres {
  log.info({}, "attached to the PostgreSQL that was already running");
  let adopted = false;
  const stop = async () => {
    if (adopted) await endStrangersServer(place);
  };
  const adopt = () => {
    adopted = true;
  };
  return { url, started: false, stop, adopt, [Symbol.asyncDispose]: stop };
}

/**
 * Starts the server again whenever it ends by itself, as when it is killed for want of memory.
 * @returns what ends it for good
 */
function supervise(
  first: ChildProcess,
  { place, binaries, log }: { place: PostgresPlace; binaries: string; log: Log },
): () => Promise<void> {
  const stopping = new AbortController();
  let server: Promise<ChildProcess | undefined> = Promise.resolve(first);

  const watch = (child: ChildProcess) => {
    child.once("exit", (code, killedBy) => {
      if (stopping.signal.aborted) return;
      log.warn({ code, killedBy }, "PostgreSQL ended by itself; starting it again");
      server = startAgain();
    });
  };
  const startAgain = async () => {
    try {
      const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(startLimitMs)]);
      const child = await launchServer({ place, binaries, signal });
      if (child) watch(child);
      return child;
    } catch (error) {
      if (!stopping.signal.aborted) log.error({ reason: messageOf(error) }, "PostgreSQL does not start again");
      return undefined;
    }
  };

  watch(first);
  return async () => {
    stopping.abort();
    const child = await server;
    if (child) await endServer(child);
  };
}
