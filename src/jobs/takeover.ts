import { setTimeout as wait } from "node:timers/promises";
import { DBOS } from "@dbos-inc/dbos-sdk";
import type { Pool } from "pg";
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { storyQueue } from "../model/story-queue.ts";
import { tryLock, unlock } from "./executor-lock.ts";

const everyMs = 2_000;

/**
 * Looks for executors that died for good with stories untold, and goes on with these here. DBOS by itself resumes
 * an executor's stories only when that executor starts again. An executor is dead when its lock can be taken.
 * @returns what ends the looking
 */
export function takeOverDead(options: { pool: Pool; executorId: string; log: Log }): AsyncDisposable {
  const ended = new AbortController();
  const watch = async () => {
    while (!ended.signal.aborted) {
      await takeOver(options).catch((error: unknown) => {
        options.log.warn({ reason: messageOf(error) }, "could not look for dead executors");
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

async function takeOver({ pool, executorId, log }: { pool: Pool; executorId: string; log: Log }): Promise<void> {
  const session = await pool.connect();
  try {
    const { rows } = await session.query<{ executor: string }>(
      `select distinct executor_id as executor from dbos.workflow_status
       where status = 'PENDING' and executor_id <> $1 and application_version = $2 and application_name = $3`,
      [executorId, storyQueue.version, storyQueue.application],
    );
    for (const { executor } of rows) {
      if (!(await tryLock(session, executor))) continue;
      try {
        const stories = await resume(executor);
        log.warn({ executor, stories }, "took over the stories of a dead executor");
      } finally {
        await unlock(session, executor);
      }
    }
    session.release();
  } catch (error) {
    // Closing the session gives back every lock that it may still hold.
    session.release(true);
    throw error;
  }
}

async function resume(executor: string): Promise<number> {
  const pending = await DBOS.listWorkflows({ status: "PENDING", executorId: executor, loadInput: false });
  const ids = pending.map(({ workflowID }) => workflowID);
  if (ids.length > 0) await DBOS.resumeWorkflows(ids);
  return ids.length;
}
