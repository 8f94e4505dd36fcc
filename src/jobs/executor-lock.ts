import { setTimeout as wait } from "node:timers/promises";
import { Client, type ClientBase } from "pg";
import { BuilderError } from "../errors.ts";
import type { Log } from "../log.ts";

/** First half of the advisory locks' key: "an executor lives". The second is its id's hash. */
const lockSpace = 77;
/** How long a predecessor that was killed may take to be noticed by the database. */
const noticeMs = 15_000;
const retryMs = 250;
/** Less than others wait before they take the executor for dead. */
const maxBackoffMs = 1_000;

/**
 * Holds the lock that says "the executor of this id lives" on a session of its own, until it is disposed of. Without
 * it two processes of one id would each resume the stories that the other is telling. A lost session is opened again.
 *
 * The session must reach PostgreSQL itself: a pooler in transaction mode would drop the lock.
 *
 * @throws BuilderError `setting_invalid` when another process holds it, `database_unreachable`
 */
export async function holdExecutorLock(options: {
  databaseUrl: string;
  executorId: string;
  log: Log;
  signal?: AbortSignal;
  takeLimitMs?: number;
}): Promise<AsyncDisposable> {
  const { executorId, log } = options;
  const ended = new AbortController();
  let session = await openSession(options);
  try {
    await takeLock(session, options);
  } catch (error) {
    await session.end();
    throw error;
  }

  const keep = async () => {
    while (!ended.signal.aborted) {
      await closed(session, ended.signal);
      if (ended.signal.aborted) return;
      log.warn({ executorId }, "lost the session that holds the executor's lock; opening another");
      session = (await reopen(options, ended.signal)) ?? session;
    }
  };
  const keeping = keep();
  return {
    async [Symbol.asyncDispose]() {
      ended.abort();
      await keeping;
      await session.end().catch(() => {});
    },
  };
}

async function takeLock(
  session: Client,
  { executorId, signal, takeLimitMs = noticeMs }: { executorId: string; signal?: AbortSignal; takeLimitMs?: number },
): Promise<void> {
  const deadline = Date.now() + takeLimitMs;
  while (!(await tryLock(session, executorId))) {
    if (Date.now() > deadline) {
      const message = `another of-builder is running as executor "${executorId}" on this database`;
      throw new BuilderError("setting_invalid", message, { fix: "Stop it, or give each its own name or database." });
    }
    await wait(retryMs, undefined, signal && { signal });
  }
}

/** Takes an executor's lock for a session; false when another session holds it: that executor lives. */
export async function tryLock(session: ClientBase, executorId: string): Promise<boolean> {
  const { rows } = await session.query("select pg_try_advisory_lock($1, hashtext($2)) as taken", [
    lockSpace,
    executorId,
  ]);
  return rows[0].taken === true;
}

/** Gives back a lock that `tryLock` took. */
export async function unlock(session: ClientBase, executorId: string): Promise<void> {
  await session.query("select pg_advisory_unlock($1, hashtext($2))", [lockSpace, executorId]);
}

/**
 * A session on which both ends soon notice that the other has died, a machine without power too: PostgreSQL gives the
 * lock away then. Over a unix socket these settings mean nothing.
 */
const watchful =
  "set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 3; set tcp_user_timeout = 11000";

async function openSession({ databaseUrl }: { databaseUrl: string }): Promise<Client> {
  const session = new Client({ connectionString: databaseUrl, keepAlive: true, connectionTimeoutMillis: 10_000 });
  session.on("error", () => {});
  try {
    await session.connect();
    await session.query(watchful);
    return session;
  } catch (cause) {
    await session.end().catch(() => {});
    throw new BuilderError("database_unreachable", "the database of the stories does not answer", { cause });
  }
}

function closed(session: Client, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (ended.aborted) return resolve();
    const done = () => {
      session.off("end", done);
      ended.removeEventListener("abort", done);
      resolve();
    };
    session.once("end", done);
    ended.addEventListener("abort", done, { once: true });
  });
}

async function reopen(
  options: { databaseUrl: string; executorId: string },
  ended: AbortSignal,
): Promise<Client | undefined> {
  for (let backoffMs = retryMs; !ended.aborted; backoffMs = Math.min(backoffMs * 2, maxBackoffMs)) {
    const session = await openSession(options).catch(() => undefined);
    if (session && (await tryLock(session, options.executorId).catch(() => false))) return session;
    await session?.end().catch(() => {});
    await wait(backoffMs, undefined, { signal: ended }).catch(() => {});
  }
  return undefined;
}
