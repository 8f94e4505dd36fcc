import { DatabaseError, Pool, type QueryConfig, type QueryResult } from "pg";
import { BuilderError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { migrate } from "./migrations.ts";
import { inTransaction } from "./transaction.ts";

export interface Database extends AsyncDisposable {
  /**
   * Runs one SQL statement.
   * @param options.name of a statement that is always the same: each session reads and plans it once under this name,
   *   which is most of the work of a small one
   * @param options.behind a table that the statement has for itself: it sees all that was done by whoever reads the table
   *   with `for key share`, and is seen by whoever does so later. Dumps and vacuums do not wait for it, nor it for them
   * @throws BuilderError `database_unreachable` when it could not be run; it may have been run all the same
   */
  query<Row extends object>(
    sql: string,
    values?: readonly unknown[],
    options?: { name?: string; behind?: string },
  ): Promise<readonly Row[]>;
  /**
   * Does some work unless another process, or this one, is doing it. The lock goes with its session: a process that dies
   * holds nothing.
   * @returns false where it was not done
   * @throws BuilderError `database_unreachable`
   */
  exclusively(name: string, work: () => Promise<void>): Promise<boolean>;
}

/**
 * Those beyond `min` are closed after some seconds of idleness. The first event after a quiet hour shall not have to wait
 * for a new one, which has to read and plan each statement anew.
 */
const sessions = { min: 2, max: 10 };
/** What is idle for long is asked whether it still is there: firewalls forget it, and say so to nobody. */
const keepAliveMs = 30_000;
const connectLimitMs = 10_000;
const statementLimitMs = 60_000;
/**
 * All that is asked often is found by an index. Plans are kept for as long as a session lives, and on tables that are nearly
 * empty, as on the first day, PostgreSQL would rather read them whole: ever after, until it learns better minutes later.
 * To compile a statement takes longer than any of ours runs.
 */
const planning = "set enable_seqscan = off; set jit = off";

/**
 * Opens a pool of connections and brings our tables up to date. The queue's tables belong to the engine, which makes
 * them at its first start.
 * @param url `postgres://USER[:PASSWORD]@HOST/DATABASE`; a unix socket's folder goes into `?host=`
 * @throws BuilderError `database_unreachable`
 */
export async function openDatabase(url: string, { log }: { log: Log }): Promise<Database> {
  const pool = new Pool({
    connectionString: url,
    ...sessions,
    connectionTimeoutMillis: connectLimitMs,
    statement_timeout: statementLimitMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveMs,
    // Whoever waits for the connection waits for this, too.
    onConnect: (client) => client.query(planning),
  });
  const warn = (error: Error) => log.warn({ reason: error.message }, "a connection to the database was lost");
  pool.on("error", warn);
  // The pool watches idle connections alone; a lost one in use would end the process.
  pool.on("connect", (client) => client.on("error", warn));
  try {
    await translated(() => migrate(pool));
  } catch (error) {
    await pool.end();
    throw error;
  }
  return {
    query: (text, values = [], { name, behind } = {}) => {
      const statement = { text, values: [...values], ...(name && { name }) };
      const run = () => (behind ? queryBehind(pool, behind, statement) : pool.query(statement));
      return translated(() => untilNotUndone(async () => (await run()).rows));
    },
    exclusively: (name, work) => exclusively(pool, name, work),
    [Symbol.asyncDispose]: () => pool.end(),
  };
}

/** PostgreSQL takes the snapshot of a statement once it has its locks: it misses nothing of what it waited for. */
function queryBehind(pool: Pool, table: string, statement: QueryConfig): Promise<QueryResult> {
  return inTransaction(pool, async (session) => {
    await session.query(`lock table ${table} in exclusive mode`);
    return session.query(statement);
  });
}

/** First half of the key of advisory locks: work that one process does at a time. The second is the work's name. */
const workLocks = 78;

async function exclusively(pool: Pool, name: string, work: () => Promise<void>): Promise<boolean> {
  const session = await translated(() => pool.connect());
  const ask = (sql: string) => translated(async () => (await session.query(sql, [workLocks, name])).rows[0]);
  let isBroken = true;
  try {
    const { taken } = await ask("select pg_try_advisory_lock($1, hashtext($2)) as taken");
    if (taken) {
      try {
        await work();
      } finally {
        // Closing the session would give it back, too, but some time later.
        await ask("select pg_advisory_unlock($1, hashtext($2))");
      }
    }
    isBroken = false;
    return taken;
  } finally {
    // Closing the session gives back what it may still hold.
    session.release(isBroken);
  }
}

/** An error of SQL is a bug of ours, one of everything around it is the database's. */
async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof DatabaseError && !isOutage(cause)) throw cause;
    throw new BuilderError("database_unreachable", `the database does not answer: ${messageOf(cause)}`, { cause });
  }
}

/** PostgreSQL may undo a statement whole, where two wait for each other: it is run anew. */
async function untilNotUndone<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      const isUndone =
        error instanceof DatabaseError && [serializationFailure, deadlockDetected].includes(error.code ?? "");
      if (!isUndone || attempt === maxAttempts) throw error;
    }
  }
}

const [serializationFailure, deadlockDetected] = ["40001", "40P01"];
const maxAttempts = 5;

/** Classes of SQLSTATE: connection, authorisation, no such database, resources, operator, system. */
function isOutage({ code = "" }: DatabaseError): boolean {
  return /^(08|28|3D|53|57|58)/.test(code);
}
