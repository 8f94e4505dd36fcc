import type { Asked } from "../model/command.ts";
import type { Database } from "./database.ts";
import { storable } from "./text.ts";

/** A command that is taken: nobody else takes it for a while. */
export interface TakenCommand {
  readonly asked: Asked;
  /** How often it was taken, this time too. */
  readonly attempts: number;
}

/** Of a process that dies another one takes a command over after this time; one that lives holds it. */
const lease = "10 seconds";

/** Takes the command that waits longest; undefined where none is due. @throws BuilderError `database_unreachable` */
export async function takeCommand(database: Database): Promise<TakenCommand | undefined> {
  const [row] = await database.query<TakenCommand>(
    `update command set next_at = now() + interval '${lease}', attempts = attempts + 1
    where id = (
      select id from command where state = 'waiting' and next_at <= now()
      order by next_at limit 1 for update skip locked)
    returning asked, attempts`,
  );
  return row;
}

/** Keeps a command that is taken from the others for a further while. */
export async function holdCommand(database: Database, id: string): Promise<void> {
  await database.query(`update command set next_at = now() + interval '${lease}' where id = $1 and state = 'waiting'`, [
    id,
  ]);
}

/** Puts down how a command ended. */
export async function endCommand(
  database: Database,
  id: string,
  { state, reason }: { state: "done" | "refused" | "failed"; reason: string },
): Promise<void> {
  await database.query("update command set state = $2, reason = $3, ended_at = now() where id = $1", [
    id,
    state,
    storable(reason),
  ]);
}

/** Lets a command wait, and puts down what for. */
export async function delayCommand(
  database: Database,
  id: string,
  { waitMs, reason }: { waitMs: number; reason: string },
): Promise<void> {
  await database.query(
    "update command set next_at = now() + make_interval(secs => $2::float / 1000), reason = $3 where id = $1",
    [id, waitMs, storable(reason)],
  );
}

/**
 * The newest run of a commit, of a ref where one is named. Where none is, one that builds something is meant: the same
 * commit may have been pushed to a branch that is not built since.
 * @returns its id
 */
export async function findRun(
  database: Database,
  { repositoryId, sha, ref }: { repositoryId: string; sha?: string; ref?: string },
): Promise<string | undefined> {
  const [row] = await database.query<{ id: string }>(
    `select id from push where repository_id = $1 and sha = coalesce($2, sha) and ref = coalesce($3, ref)
    order by ($3::text is null and skip is null) desc, "order" desc limit 1`,
    [repositoryId, sha ?? null, ref ?? null],
  );
  return row?.id;
}
