import { setTimeout as wait } from "node:timers/promises";
import type { Pool, PoolClient } from "pg";
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { storyQueue } from "../model/story-queue.ts";
import { tryLock, unlock } from "./executor-lock.ts";

const everyMs = 500;
/** Longer than a living executor takes to get its lock again, when the database was restarted under all of them. */
const defaultPatienceMs = 2_000;

/** When each executor's lock was first found free, of those that were found so ever since. */
type Silent = ReadonlyMap<string, number>;

interface TakeoverOptions {
  readonly pool: Pool;
  readonly executorId: string;
  readonly log: Log;
  /** How long a lock has to be free; given by tests. */
  readonly patienceMs?: number;
}

/**
 * Looks for executors that died for good with stories untold, and goes on with these here. DBOS by itself resumes
 * an executor's stories only when that executor starts again. An executor is dead when its lock is free for some time.
 * @returns what ends the looking
 */
export function takeOverDead(options: TakeoverOptions): AsyncDisposable {
  const ended = new AbortController();
  const watch = async () => {
    let silent: Silent = new Map();
    while (!ended.signal.aborted) {
      silent = await takeOver(options, silent).catch((error: unknown) => {
        options.log.warn({ reason: messageOf(error) }, "could not look for dead executors");
        return new Map();
      });
      await wait(everyMs, undefined, { signal: ended.signal }).catch(() => {});
    }
  };
  const watching = watch();
  return {
    async [Symbol.asyncDispose]() {
      ended.abort();
      await watching;
    },
  };
}

/** Takes over the stories of who has been silent for long enough. @returns who else is silent */
async function takeOver(
  { pool, executorId, log, patienceMs = defaultPatienceMs }: TakeoverOptions,
  before: Silent,
): Promise<Silent> {
  const silent = new Map<string, number>();
  const session = await pool.connect();
  try {
    const { rows } = await session.query<{ executor: string }>(
      `select distinct executor_id as executor from dbos.workflow_status
       where ${isOurs} and executor_id <> $3`,
      [...ours, executorId],
    );
    for (const { executor } of rows) {
      if (!(await tryLock(session, executor))) continue;
      try {
        const since = before.get(executor) ?? performance.now();
        silent.set(executor, since);
        if (performance.now() - since < patienceMs) continue;
        const stories = await resume(session, executor);
        log.warn({ executor, stories }, "took over the stories of a dead executor");
      } finally {
        await unlock(session, executor);
      }
    }
    session.release();
    return silent;
  } catch (error) {
    // Closing the session gives back every lock that it may still hold.
    session.release(true);
    throw error;
  }
}

/**
 * Lets stories begin again wherever there is a place. They stay in the queue that they came from: its limits count
 * them. DBOS itself resumes an executor's stories in this way, and others by a queue that has no limits.
 */
async function resume(session: PoolClient, executor: string): Promise<number> {
  const { rowCount } = await session.query(
    `update dbos.workflow_status set status = 'ENQUEUED', owner_xid = null, started_at_epoch_ms = null,
      updated_at = (extract(epoch from now()) * 1000)::bigint, queue_name = coalesce(queue_name, $4)
    where ${isOurs} and executor_id = $3`,
    [...ours, executor, storyQueue.atOnce],
  );
  return rowCount ?? 0;
}

const isOurs = "status = 'PENDING' and application_version = $1 and application_name = $2";
const ours = [storyQueue.version, storyQueue.application];
