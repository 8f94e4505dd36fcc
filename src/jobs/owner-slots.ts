import { setTimeout as wait } from "node:timers/promises";
import type { Pool } from "pg";
import type { Told } from "./told-stories.ts";

/** What makes the number of functions of an owner that are told at once exact. */
export interface OwnerSlots {
  /** Tells a story once its owner has a place; at once when it was cancelled: it only ends then. */
  within<T>(place: { id: string; owner: string; story: Told }, tell: () => Promise<T>): Promise<T>;
}

/** First half of the advisory locks' key: "an owner's places are being counted". */
const lockSpace = 78;
const askMs = 200;

/**
 * Creates the places that owners have. DBOS keeps to the limit of a queue's partition nearly always: two processes that
 * look at the same moment, while functions arrive, may each take one for the last place. Whoever took one too many waits
 * here. A place is freed by its story's end, or by that nobody tells the story any more.
 * @param max places of each owner, of all processes together; 0 = no limit
 */
export function createOwnerSlots(pool: Pool, { max, leaving }: { max: number; leaving: AbortSignal }): OwnerSlots {
  return {
    async within({ id, owner, story: { signal, idle } }, tell) {
      if (max === 0) return tell();
      const waitForPlace = async () => {
        while (!signal.aborted && !(await take(pool, { id, owner, max }))) {
          await wait(askMs, undefined, { signal }).catch(() => {});
        }
      };
      await idle(waitForPlace());
      if (leaving.aborted) return new Promise(() => {});
      try {
        return await tell();
      } finally {
        // What is left here is found to be nobody's by whoever counts next.
        await pool.query("delete from function_slot where id = $1", [id]).catch(() => {});
      }
    },
  };
}

/** An outage takes no place, and is over some time. */
async function take(pool: Pool, place: { id: string; owner: string; max: number }): Promise<boolean> {
  const session = await pool.connect().catch(() => undefined);
  if (!session) return false;
  try {
    await session.query("begin");
    await session.query("select pg_advisory_xact_lock($1, hashtext($2))", [lockSpace, place.owner]);
    await session.query(freeStatement, [place.owner]);
    const { rowCount } = await session.query(takeStatement, [place.id, place.owner, place.max]);
    await session.query("commit");
    session.release();
    return (rowCount ?? 0) > 0;
  } catch {
    session.release(true);
    return false;
  }
}

const freeStatement = `
  delete from function_slot where owner = $1 and not exists (
    select from dbos.workflow_status where workflow_uuid = function_slot.id and status = 'PENDING')`;

/** Who took over a story has its place already. */
const takeStatement = `
  insert into function_slot (id, owner)
  select $1, $2 where exists (select from function_slot where id = $1)
    or (select count(*) from function_slot where owner = $2) < $3
  on conflict (id) do update set taken_at = now()
  returning id`;
