import type { Push } from "../model/push.ts";
import { storyQueue } from "../model/story-queue.ts";
import { noticeChannel } from "./notices.ts";
import { cleaned } from "./text.ts";

/** What a run starts from. Plain JSON: it is stored, and given to its story. */
export interface RunWork {
  readonly push: Push;
  /** Why nothing is to be built. */
  readonly skip?: string;
  /** With `skip`: whether a person may allow it to be built. */
  readonly approvable?: boolean;
  /** Builds what has not changed, too. */
  readonly force?: boolean;
  /** Only these functions. */
  readonly only?: readonly string[];
}

/** What a newer push does to the older ones of its branch. */
export interface SupersedeRules {
  /** Whether work that runs is cancelled, too. */
  readonly running: boolean;
  /** So many runs of a branch may be cancelled since it last finished one; the next one may finish. */
  readonly max: number;
}

/**
 * The parts of a statement that store runs with their stories and supersede the older runs of their branches: all of
 * that happens with what the statement does besides, or nothing. Its values are those of `runValues`, `$1` to `$4`. The
 * stories of queued runs that are superseded begin at once: they only tell GitHub so. No two runs of one statement are of
 * one branch: neither would see the other.
 *
 * A run supersedes another only where GitHub's event says that it is newer: by the time of the push, and within one
 * second by what the branch was before. Events arrive in any order; what they do not tell is found out when a story
 * starts and asks for the branch's head. A queued run hands on its place: a branch under constant pushes is not sent
 * to the end of the queue by each. Of those that run the oldest is left alone once the branch has had its number of
 * cancelled ones, so that it finishes one.
 *
 * A push of which one way brought the event and the other found only the branch's head has one run, whichever came first:
 * a statement that stores a found one runs behind `findingTable`, as the two may be stored by two processes at once.
 *
 * @param gate a part before these, of one row for each run that is to be started, with its id as `starts`
 * @returns parts that end with `enqueued`, of one row for a run that was started
 */
export function runParts(gate: string): string {
  return `wanted as (
    select wanted.* from ${gate} join json_to_recordset($1::json) as wanted(${declared}, work_at integer) on id = starts
    where not exists (${foundBefore}) and not exists (select from ${findingTable} for key share)
  ),
  superseded as (
    update push older set
      superseded_by = wanted.id, cancelled_at = now(), description = 'superseded by ' || left(wanted.sha, 7),
      state = case older.state when 'queued' then 'cancelled' else older.state end,
      ended_at = case older.state when 'queued' then now() end
    from wanted
    where older.id = any(array(${unendedIds})) and ${sameBranch("older", "wanted")} and older.cancelled_at is null
      and wanted.kind <> 'rebuild' and wanted.skip is null and older.kind <> 'rebuild' and older.skip is null
      and (older.pushed_at < wanted.pushed_at or older.pushed_at = wanted.pushed_at and older.sha = wanted.before)
      and (older.state || '' = 'queued' or older.state || '' = 'running' and $3::boolean and not (${mustFinish}))
    returning older.id, older.state, older.waiting_since, older.superseded_by
  ),
  freed as (
    update dbos.workflow_status set queue_name = '${storyQueue.atOnce}', queue_partition_key = null
    where ctid = any(array(
      select waiting.place from superseded, lateral (
        select ctid as place from dbos.workflow_status where workflow_uuid = superseded.id and status = 'ENQUEUED' offset 0
      ) waiting
      where state = 'cancelled'))
  ),
  told as (
    select count(pg_notify('${noticeChannel}', json_build_object('push', id, 'what', 'cancelled')::text))
    from superseded
  ),
  run as (
    insert into push (${columns.join(", ")}, work, waiting_since)
    select ${columns.map((name) => `wanted.${name}`).join(", ")}, ($2::text[])[work_at]::json, least(now(), (
      select min(waiting_since) from superseded where state = 'cancelled' and superseded_by = wanted.id))
    from wanted
    returning id, owner, work, waiting_since
  ),
  enqueued as (
    select dbos.enqueue_workflow(
      '${storyQueue.story}', '${storyQueue.queue}', array[run.work], workflow_id => run.id,
      app_version => '${storyQueue.version}', application_name => '${storyQueue.application}',
      queue_partition_key => run.owner, priority => ${priorityOf("run.waiting_since")}
    ) from run, told
  )`;
}

/** What a run's row is given, by column. */
const columnTypes = {
  id: "text",
  owner: "text",
  repository: "text",
  repository_id: "text",
  installation_id: "text",
  branch: "text",
  ref: "text",
  sha: "text",
  before: "text",
  pushed_at: "timestamptz",
  environment: "text",
  kind: "text",
  force: "boolean",
  skip: "text",
  found: "boolean",
} as const;
const columns = Object.keys(columnTypes);
const declared = Object.entries(columnTypes)
  .map((entry) => entry.join(" "))
  .join(", ");

/** What a statement that stores a found head has for itself, and every other reads: `behind` of a Database's query. */
export const findingTable = "finding";

/**
 * Of a commit that has been the head before, and is again, there is another run: something was pushed in between. What
 * comes in later was pushed later only where its time does not say otherwise; what was pushed after the head was seen came
 * after both, and a push that is older than that look is the one that was found. One that was superseded has had its run.
 */
const foundBefore = `
      select from push known
      where ${sameBranch("known", "wanted")} and known.sha = wanted.sha and known.kind = wanted.kind
        and known.found <> wanted.found
        and (known.state not in ('error', 'cancelled') or known.superseded_by is not null)
        and not exists (
          select from push newer where ${sameBranch("newer", "wanted")} and newer."order" > known."order"
            and (newer.pushed_at >= known.pushed_at) is not false
            and (newer.pushed_at = known.pushed_at and newer.sha = known.before) is not true
            and case when wanted.found then newer.pushed_at <= wanted.pushed_at else known.pushed_at < wanted.pushed_at end
              is not false
        )
      offset 0`;

/** Whether the run that a wanted one's event was taken for, as its head had been found before, failed by our fault. */
export const foundHasFailed = `exists (
      select from push known join json_to_recordset($1::json) as wanted(${declared}) on ${sameBranch("known", "wanted")}
      where known.sha = wanted.sha and known.found and known.state = 'error')`;

/*
 * A plan is kept for as long as its session lives, and most are made while the tables are nearly empty: joined freely,
 * they would be read whole for each delivery ever after. "offset 0" and arrays leave PostgreSQL nothing but the indexes.
 * So that it does not read the one of all that waits instead, a state is asked for as `state || ''`, for which there is
 * none, or a row by its place (`ctid`), which is good as long as nobody else changes it.
 */
const unendedIds = `
      select unended.id from wanted, lateral (
        select id from push where ${sameBranch("push", "wanted")} and state in ('queued', 'running') offset 0
      ) unended`;

const mustFinish = `(
        select count(*) >= $4::integer from push cancelled
        where ${sameBranch("cancelled", "wanted")} and superseded_by is not null and started_at is not null
          and "order" > coalesce((
            select max("order") from push ended
            where ${sameBranch("ended", "wanted")} and state in ('success', 'failure', 'error')), 0)
      ) and not exists (
        select from push earlier
        where ${sameBranch("earlier", "wanted")} and earlier.state = 'running' and earlier.cancelled_at is null
          and earlier.kind <> 'rebuild' and earlier."order" < older."order"
      )`;

function sameBranch(one: string, other: string): string {
  return ["owner", "repository", "ref"].map((name) => `${one}.${name} = ${other}.${name}`).join(" and ");
}

/** DBOS takes the lowest first, of a 32-bit integer: seconds, so far of a later epoch than Unix's. */
function priorityOf(moment: string): string {
  return `(extract(epoch from ${moment}) - 1700000000)::integer`;
}

/**
 * The values of `runParts`. What a run starts from goes beside its row, as text: taken apart, it might hold no NUL.
 * @param works of different branches
 */
export function runValues(works: readonly RunWork[], { running, max }: SupersedeRules): readonly unknown[] {
  const rows = works.map((work, index) => ({ ...rowOf(work), work_at: index + 1 }));
  return [JSON.stringify(rows, cleaned), works.map((work) => JSON.stringify(work)), running, max];
}

function rowOf({ push, skip, force = false }: RunWork): Record<keyof typeof columnTypes, unknown> {
  return {
    id: push.delivery,
    // Logins and names differ by more than their case.
    owner: push.owner.toLowerCase(),
    repository: push.repository.toLowerCase(),
    repository_id: push.repositoryId,
    installation_id: push.installationId,
    branch: push.branch,
    ref: push.ref,
    sha: push.sha,
    before: push.before,
    pushed_at: push.pushedAt > 0 ? new Date(push.pushedAt * 1000).toISOString() : undefined,
    environment: push.environment,
    kind: push.kind,
    force,
    skip,
    found: push.found ?? false,
  };
}
