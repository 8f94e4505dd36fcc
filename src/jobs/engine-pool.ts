import { Socket } from "node:net";
import { Pool } from "pg";
import type { Log } from "../log.ts";

const maxConnections = 10;

/**
 * Opens the connections that DBOS works on. With a pool of its own DBOS would set sessions up in a way that pg warns
 * of on the terminal, and would take some outages for the failure of the step that met them.
 */
export function openEnginePool({ databaseUrl, log }: { databaseUrl: string; log: Log }): Pool {
  const pool = new Pool({
    connectionString: databaseUrl,
    max: maxConnections,
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
    idle_in_transaction_session_timeout: 60_000,
    stream: () => new PatientSocket(),
  });
  const warn = (error: Error) => log.warn({ reason: error.message }, "the engine lost a connection to the database");
  pool.on("error", warn);
  // The pool watches idle connections alone; a lost one in use would end the process.
  pool.on("connect", (client) => client.on("error", warn));
  return pool;
}

/**
 * DBOS waits for the database and asks again when an error has one of the codes that it knows for an outage. It does
 * not know these, with which a unix socket says that its server has died or has not opened it yet.
 */
const outages = new Set(["EPIPE", "ENOENT", "ENOTCONN", "EACCES"]);

class PatientSocket extends Socket {
  override destroy(error?: NodeJS.ErrnoException): this {
    if (error?.code !== undefined && outages.has(error.code)) error.code = "ECONNRESET";
    return super.destroy(error);
  }
}
