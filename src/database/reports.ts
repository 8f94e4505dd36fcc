import type { Push } from "../model/push.ts";
import { type BuildNotes, isEnd, type Report, stackContext } from "../model/report.ts";
import type { Database } from "./database.ts";
import { storable } from "./text.ts";

/** A push that GitHub can be told of: one that came through an installation of the App. */
export type ReportedPush = Pick<Push, "delivery" | "owner" | "repository" | "repositoryId" | "sha"> & {
  readonly installationId: string;
};

/**
 * The stack's report draws its table from those of the functions: whatever changes these changes it. Its row is locked
 * after theirs, by everybody: in another order two that store at once would wait for each other.
 */
const stackGrows = `
  update report set version = version + 1, changed_at = now()
  from (select push_id from changed where shows and context <> '${stackContext}' group by push_id order by push_id) pushes
  where report.push_id = pushes.push_id and report.context = '${stackContext}' and not report.ended`;

/**
 * A commit may come to be built by one event and not by another, such as a pull request's and its branch's. GitHub shows
 * the newest check of a name: one that says that nothing was built shall not stand in the other's place.
 */
const isInTheWay = `
  exists (
    select from push own
    join push built on built.owner = own.owner and built.repository = own.repository and built.sha = own.sha
    where own.id = $1 and own.skip is not null and own.work ->> 'approvable' is null
      and built.id <> own.id and built.skip is null)`;

/** A repository that has another owner since its push is reached by that one's installation. GitHub follows its names. */
const installationOfToday = "coalesce((select installation_id from repository where id = $4 and not removed), $3)";

/**
 * An end stays, whatever a step says that is done a second time after a crash, and whoever has begun does not wait any
 * more, whatever somebody says who looked at it before. The same said again is no news.
 */
const storeStatement = `
  with changed as (
    insert into report (push_id, context, installation_id, repository_id, owner, repository, sha, shown, ended, wanted)
    values ($1, $2, ${installationOfToday}, $4, $5, $6, $7, $8 and not ${isInTheWay}, $9, $10)
    on conflict (push_id, context) do update
    set wanted = $10, installation_id = excluded.installation_id, ended = $9, shown = report.shown or excluded.shown, version = report.version + 1, changed_at = now(),
      notes = case when excluded.shown or report.shown or not $9 then report.notes end
    where report.wanted::text <> $10::text and (not report.ended or $9) and ($10::json ->> 'state' <> 'queued' or report.wanted ->> 'state' = 'queued')
    returning push_id, context, true as shows
  ),
  lane as (
    insert into report_lane (installation_id) values (${installationOfToday}) on conflict do nothing
  )
  ${stackGrows}`;

/**
 * Keeps what GitHub shall show of a context of a push from now on.
 * @param options.quiet keeps it for the stack's table only
 * @throws BuilderError `database_unreachable`
 */
export async function storeReport(
  database: Database,
  { push, report }: { push: ReportedPush; report: Report },
  { quiet }: { quiet: boolean },
): Promise<void> {
  const { delivery, owner, repository, repositoryId, installationId, sha } = push;
  const place = [delivery, report.context, installationId, repositoryId, owner, repository, sha];
  await database.query(storeStatement, [...place, !quiet, isEnd(report), plainJson(report)]);
}

/** What a build tells is news to the one who looks at it while it runs; its steps are none to the stack. */
const notesStatement = `
  with told as (select * from json_to_recordset($1::json) as told(push text, context text, notes json)),
  older as materialized (
    select report.push_id, report.context, report.notes is null as is_first, told.notes
    from report join told on report.push_id = told.push and report.context = told.context
    where not report.ended
    order by report.push_id, report.context
    for update of report
  ),
  changed as (
    update report set notes = older.notes, version = report.version + 1, changed_at = now()
    from older where report.push_id = older.push_id and report.context = older.context
    returning report.push_id, report.context, older.is_first as shows
  )
  ${stackGrows}`;

/**
 * Keeps what builds have told so far.
 * @throws BuilderError `database_unreachable`
 */
export async function storeNotes(
  database: Database,
  told: readonly { readonly push: string; readonly context: string; readonly notes: BuildNotes }[],
): Promise<void> {
  if (told.length > 0) await database.query(notesStatement, [plainJson(told)]);
}

/**
 * Has the state of a check that has ended written once more, without its page: GitHub shows a commit's checks as queued
 * once a person asks to run one again, whatever comes of that.
 */
export async function restateCheck(
  database: Database,
  { push, repositoryId, context }: { push: string; repositoryId: string; context: string },
): Promise<void> {
  await database.query(
    `update report set version = version + 1, sent_text = null, bare = coalesce(bare, 'state'), changed_at = now()
    where push_id = $1 and context = $2 and repository_id = $3 and ended and way = 'check'`,
    [push, context, repositoryId],
  );
}

/**
 * Forgets what has not changed since a moment.
 * @returns how many reports that were
 */
export async function deleteReports(database: Database, { before }: { before: Date }): Promise<number> {
  const rows = await database.query("delete from report where changed_at < $1 returning context", [before]);
  return rows.length;
}

function plainJson(value: unknown): string {
  return JSON.stringify(value, (_key, part) => (typeof part === "string" ? storable(part) : part));
}
