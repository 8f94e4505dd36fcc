import type { Database } from "./database.ts";
import { noticeChannel } from "./notices.ts";
import { storable } from "./text.ts";

/** Which function of which run. */
export interface LogName {
  /** Id of the run. */
  readonly push: string;
  readonly function: string;
}

export interface LogPart {
  /** Bytes before it. */
  readonly at: number;
  readonly text: string;
}

export interface LogState {
  readonly bytes: number;
  /** Where the store has it; undefined while it is written. */
  readonly place: string | undefined;
}

/** The logs' rows, as one thing. */
export function createLogRows(database: Database) {
  return {
    append: (log: LogName, text: string) => appendLog(database, log, text),
    stateOf: (log: LogName) => readLogState(database, log),
    partsFrom: (log: LogName, from: number) => readLogParts(database, log, from),
    ended: (options: { limit: number }) => readEndedLogs(database, options),
    storePlace: (log: LogName, place: string) => storeLogPlace(database, log, place),
    oldest: (options: { before: Date; limit: number }) => readOldLogs(database, options),
    delete: (log: LogName) => deleteLog(database, log),
  };
}

/** One statement, so that two writers of one log never claim the same bytes, and whoever follows it wakes up. */
const appendStatement = `
  with log as (
    insert into build_log (push_id, function, bytes) values ($1, $2, octet_length($3))
    on conflict (push_id, function) do update set bytes = build_log.bytes + octet_length($3)
    where build_log.place is null
    returning push_id, function, bytes
  ),
  part as (
    insert into build_log_part (push_id, function, at, text)
    select push_id, function, bytes - octet_length($3), $3 from log
  )
  select pg_notify('${noticeChannel}', json_build_object('push', push_id, 'what', 'log')::text) from log`;

/**
 * Adds text to a log, which begins with its first; nothing is added to one that is whole.
 * @throws BuilderError `database_unreachable`: it may have been added all the same
 */
async function appendLog(database: Database, log: LogName, text: string): Promise<void> {
  await database.query(appendStatement, [...values(log), storable(text)]);
}

/** Reads how far a log is. */
async function readLogState(database: Database, log: LogName): Promise<LogState | undefined> {
  const rows = await database.query<{ bytes: string; place: string | null }>(
    "select bytes, place from build_log where push_id = $1 and function = $2",
    values(log),
  );
  const [row] = rows;
  return row && { bytes: Number(row.bytes), place: row.place ?? undefined };
}

const maxParts = 64;

/** Reads some parts of a log that is written, in their order, beginning with the one that holds a byte. */
async function readLogParts(database: Database, log: LogName, from: number): Promise<readonly LogPart[]> {
  const rows = await database.query<{ at: string; text: string }>(
    `select at, text from build_log_part
    where push_id = $1 and function = $2 and at + octet_length(text) > $3 order by at limit ${maxParts}`,
    [...values(log), from],
  );
  return rows.map(({ at, text }) => ({ at: Number(at), text }));
}

/**
 * Finds logs that nothing more is written to and that still stand here: their functions have ended, or nobody knows of
 * their runs any more.
 */
async function readEndedLogs(database: Database, { limit }: { limit: number }): Promise<readonly LogName[]> {
  return database.query<LogName>(
    `select log.push_id as push, log.function from build_log log
      left join push on push.id = log.push_id
      left join push_function work on work.push_id = log.push_id and work.function = log.function
    where log.place is null and (work.ended_at is not null or push.ended_at is not null or push.id is null)
    order by log.begun_at limit ${limit}`,
    [],
  );
}

/** Puts down that the store has a log: its parts go, and nothing is added to it any more. */
async function storeLogPlace(database: Database, log: LogName, place: string): Promise<void> {
  await database.query(
    `with parts as (delete from build_log_part where push_id = $1 and function = $2)
    update build_log set place = $3 where push_id = $1 and function = $2`,
    [...values(log), place],
  );
}

/** Finds logs that began before a moment, the oldest first: those that the store has with their place. */
async function readOldLogs(
  database: Database,
  { before, limit }: { before: Date; limit: number },
): Promise<readonly (LogName & { place: string | undefined })[]> {
  const rows = await database.query<{ push: string; function: string; place: string | null }>(
    `select push_id as push, function, place from build_log where begun_at < $1 order by begun_at limit ${limit}`,
    [before],
  );
  return rows.map(({ place, ...log }) => ({ ...log, place: place ?? undefined }));
}

/** Forgets a log. */
async function deleteLog(database: Database, log: LogName): Promise<void> {
  await database.query("delete from build_log where push_id = $1 and function = $2", values(log));
}

function values({ push, function: name }: LogName): readonly [string, string] {
  return [storable(push), storable(name)];
}
