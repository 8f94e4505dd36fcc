import type { Outcome, PushOutcome } from "../model/outcome.ts";
import type { PushKind } from "../model/push.ts";
import type { Database } from "./database.ts";
import type { RunWork } from "./start-run.ts";
import { cleaned, storable } from "./text.ts";

/** One run of a push. */
export interface Run {
  /** GUID of the delivery that started it, or a UUID. */
  readonly id: string;
  /** Owner and repository in lower case. */
  readonly owner: string;
  readonly repository: string;
  readonly repositoryId: string;
  readonly installationId: string | null;
  readonly branch: string;
  readonly ref: string;
  readonly sha: string;
  readonly environment: string;
  readonly kind: PushKind;
  readonly force: boolean;
  readonly skip: string | null;
  readonly work: RunWork;
  readonly state: "queued" | "running" | PushOutcome["state"];
  readonly description: string;
  /** Id of the newer run for whose sake it was cancelled. */
  readonly supersededBy: string | null;
  /** When it was asked to end; it has ended once its state says so. */
  readonly cancelledAt: Date | null;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  readonly outcome: PushOutcome | null;
}

/** What became of one function of a run. */
export interface RunFunction {
  readonly function: string;
  readonly state: "queued" | "running" | Outcome["state"];
  /** What is being done at the moment, for a person. */
  readonly step: string;
  readonly image: string;
  readonly digest: string;
  readonly seconds: number | null;
  readonly reason: string;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
}

/** The columns of a run under the names of `Run`. */
export const runColumns = `id, owner, repository, repository_id as "repositoryId", installation_id as "installationId",
  branch, ref, sha, environment, kind, force, skip, work, state, description, superseded_by as "supersededBy",
  cancelled_at as "cancelledAt", created_at as "createdAt", started_at as "startedAt", ended_at as "endedAt", outcome`;

/** Reads one run. @throws BuilderError `database_unreachable` */
export async function readRun(database: Database, id: string): Promise<Run | undefined> {
  const rows = await database.query<Run>(`select ${runColumns} from push where id = $1`, [id]);
  return rows[0];
}

/** Reads what became of the functions of a run so far, by name. */
export async function readFunctions(database: Database, id: string): Promise<readonly RunFunction[]> {
  return database.query<RunFunction>(
    `select function, state, step, image, digest, seconds, reason, started_at as "startedAt", ended_at as "endedAt"
    from push_function where push_id = $1 order by function`,
    [id],
  );
}

/** Of some runs those that were asked to end, each with the reason. */
export async function readCancelled(database: Database, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const rows = await database.query<{ id: string; description: string }>(
    "select id, description from push where id = any($1) and cancelled_at is not null",
    [ids],
  );
  return new Map(rows.map(({ id, description }) => [id, description]));
}

/** Puts down how a run ended. One that has ended stays as it is, but for an outcome that it lacks. */
export async function storeEnd(database: Database, id: string, outcome: PushOutcome): Promise<void> {
  await database.query(
    `update push set
      state = case when ended_at is null then $2 else state end,
      description = case when ended_at is null then $3 else description end,
      ended_at = coalesce(ended_at, now()),
      outcome = coalesce(outcome, $4::json)
    where id = $1`,
    [id, outcome.state, storable(outcome.description), JSON.stringify(outcome)],
  );
}

/** The commit of the run that has superseded one. */
export async function readNewerSha(database: Database, id: string): Promise<string | undefined> {
  const rows = await database.query<{ sha: string }>(
    "select newer.sha from push join push newer on newer.id = push.superseded_by where push.id = $1",
    [id],
  );
  return rows[0]?.sha;
}

/** Puts down which functions a run has. */
export async function storeFunctions(
  database: Database,
  id: string,
  functions: readonly { readonly name: string; readonly image: string }[],
): Promise<void> {
  await database.query(
    `insert into push_function (push_id, function, image)
    select push.id, planned.name, planned.image
    from push, json_to_recordset($2::json) as planned(name text, image text) where push.id = $1
    on conflict do nothing`,
    [id, JSON.stringify(functions.map(({ name, image }) => ({ name: storable(name), image: storable(image) })))],
  );
}

/** Puts down that a function is being worked on. */
export async function storeFunctionStart(database: Database, id: string, name: string): Promise<void> {
  await database.query(
    `update push_function set state = 'running', started_at = coalesce(started_at, now())
    where push_id = $1 and function = $2 and ended_at is null`,
    [id, storable(name)],
  );
}

/** Puts down how the work on functions ended; of those that a run was not known to have, too. */
export async function storeFunctionEnds(database: Database, id: string, outcomes: readonly Outcome[]): Promise<void> {
  const rows = outcomes.map((outcome) => ({ image: "", digest: "", reason: "", ...outcome, name: outcome.function }));
  await database.query(
    `insert into push_function (push_id, function, state, image, digest, seconds, reason, ended_at)
    select push.id, name, ended.state, image, digest, seconds, reason, now()
    from push, json_to_recordset($2::json)
      as ended(name text, state text, image text, digest text, seconds double precision, reason text)
    where push.id = $1
    on conflict (push_id, function) do update set
      state = excluded.state, image = excluded.image, digest = excluded.digest, seconds = excluded.seconds,
      reason = excluded.reason, step = '', ended_at = now()
    where push_function.ended_at is null`,
    [id, JSON.stringify(rows, cleaned)],
  );
}

/** Forgets the runs that ended before a moment. @returns how many */
export async function deleteRuns(database: Database, { before }: { before: Date }): Promise<number> {
  const rows = await database.query("delete from push where ended_at < $1 returning id", [before]);
  return rows.length;
}
