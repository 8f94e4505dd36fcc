import { DatabaseError, Pool } from "pg";
import { BuilderError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { migrate } from "./migrations.ts";

export interface Database extends AsyncDisposable {
  /**
   * Runs one SQL statement.
   * @throws BuilderError `database_unreachable` when it could not be run; it may have been run all the same
   */
  query<Row extends object>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
}

const connectLimitMs = 10_000;
const statementLimitMs = 60_000;

/**
 * Opens a pool of connections and brings our tables up to date. The queue's tables belong to the engine, which makes
 * them at its first start.
 * @param url `postgres://USER[:PASSWORD]@HOST/DATABASE`; a unix socket's folder goes into `?host=`
 * @throws BuilderError `database_unreachable`
 */
export async function openDatabase(url: string, { log }: { log: Log }): Promise<Database> {
  const pool = new Pool({
    connectionString: url,
    max: 10,
    connectionTimeoutMillis: connectLimitMs,
    statement_timeout: statementLimitMs,
    keepAlive: true,
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
    query: (sql, values = []) => translated(async () => (await pool.query(sql, [...values])).rows),
    [Symbol.asyncDispose]: () => pool.end(),
  };
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

/** Classes of SQLSTATE: connection, authorisation, no such database, resources, operator, system. */
function isOutage({ code = "" }: DatabaseError): boolean {
  return /^(08|28|3D|53|57|58)/.test(code);
}
