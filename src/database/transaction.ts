import type { Pool, PoolClient } from "pg";

/** Does some work in one transaction: all of it is done, or nothing. */
export async function inTransaction<T>(pool: Pool, work: (session: PoolClient) => Promise<T>): Promise<T> {
  const session = await pool.connect();
  let isBroken = true;
  try {
    await session.query("begin");
    const result = await work(session);
    await session.query("commit");
    isBroken = false;
    return result;
  } finally {
    // Closing the session undoes what was begun.
    session.release(isBroken);
  }
}
