import type { Pool } from "pg";
import { failedCommands, intakeTables } from "./intake-tables.ts";
import { logTables } from "./log-tables.ts";
import { findingTable, logLinkColumns, pushTables, repositoryIndex, slotTables } from "./push-tables.ts";
import { bareReportColumn, reportTables } from "./report-tables.ts";
import { inTransaction } from "./transaction.ts";

/**
 * The tables' history: the statements of each version, in order. A released version is never changed, only followed.
 *
 * delivery: what GitHub sent and what became of it. `body` holds the very bytes that were signed: jsonb would refuse
 * the NUL that a commit message may carry, and would forget order, duplicate keys and the digits of large numbers.
 *
 * function_build: the last good build of each function of a branch, by the hash of all that it was made of. It is what
 * decides whether a later push has to build the function.
 */
const versions: readonly string[] = [
  `create table delivery (
    guid text primary key,
    event text not null,
    owner text,
    repository text,
    received_at timestamptz not null default now(),
    accepted boolean not null,
    reason text not null,
    body bytea not null
  );
  create index delivery_received_at on delivery (received_at)`,
  `create table function_build (
    owner text not null,
    repository text not null,
    branch text not null,
    function text not null,
    inputs text not null,
    image text not null,
    digest text not null,
    sha text not null,
    built_at timestamptz not null default now(),
    primary key (owner, repository, branch, function)
  )`,
  pushTables,
  reportTables,
  logTables,
  intakeTables,
  slotTables,
  logLinkColumns,
  bareReportColumn,
  repositoryIndex,
  failedCommands,
  findingTable,
];

/** Any number that nothing else on the database locks. */
const migrationLock = 7_700_001;

/** Brings the tables up to date. Of several processes that start at once one does it and the others wait. */
export async function migrate(pool: Pool): Promise<void> {
  await inTransaction(pool, async (session) => {
    await session.query("select pg_advisory_xact_lock($1)", [migrationLock]);
    await session.query("create table if not exists migration (version integer primary key, done_at timestamptz)");
    const { rows } = await session.query<{ done: number }>("select coalesce(max(version), 0) as done from migration");
    const done = rows[0]?.done ?? 0;
    for (const [index, statements] of versions.entries()) {
      if (index < done) continue;
      await session.query(statements);
      await session.query("insert into migration values ($1, now())", [index + 1]);
    }
  });
}
