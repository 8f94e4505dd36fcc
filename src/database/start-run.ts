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
 * The parts of a statement that store a run with its story and supersede the older runs of its branch: all of that
 * happens with what the statement does besides, or nothing. Its values are those of `runValues`, `$1` to `$4`. The
 * stories of queued runs that are superseded begin at once: they only tell GitHub so.
 *
 * A run supersedes another only where GitHub's event says that it is newer: by the time of the push, and within one
 * second by what the branch was before. Events arrive in any order; what they do not tell is found out when a story
 * starts and asks for the branch's head. A queued run hands on its place: a branch under constant pushes is not sent
 * to the end of the queue by each. Of those that run the oldest is left alone once the branch has had its number of
 * cancelled ones, so that it finishes one.
 *
 * A push of which one way brought the event and the other found only the branch's head has one run, whichever came first.
 *
 * @param gate a part before these, of one row where the run is to be started and of none where not
 * @returns parts that end with `enqueued`, of one row for a run that was started
 */
export function runParts(gate: string): string {
  return `wanted as (
    select wanted.* from ${gate}, json_to_record($1::json) as wanted(${columns})
    where $1 is not null and not exists (${foundBefore})
  ),
  superseded as (
    update push older set
      superseded_by = wanted.id, cancelled_at = now(), description = 'superseded by ' || left(wanted.sha, 7),
      state = case older.state when 'queued' then 'cancelled' else older.state end,
      ended_at = case older.state when 'queued' then now() end
    from wanted
    where ${sameBranch("older", "wanted")} and older.cancelled_at is null
      and wanted.kind <> 'rebuild' and wanted.skip is null and older.kind <> 'rebuild' and older.skip is null
      and (older.pushed_at < wanted.pushed_at or older.pushed_at = wanted.pushed_at and older.sha = wanted.before)
      and (older.state = 'queued' or older.state = 'running' and $3::boolean and not (${mustFinish}))
    returning older.id, older.state, older.waiting_since
  ),
  freed as (
    update dbos.workflow_status set queue_name = '${storyQueue.atOnce}', queue_partition_key = null
    from superseded where workflow_uuid = superseded.id and superseded.state = 'cancelled' and status = 'ENQUEUED'
  ),
  told as (
    select count(pg_notify('${noticeChannel}', json_build_object('push', id, 'what', 'cancelled')::text))
    from superseded
  ),
  run as (
    insert into push (id, owner, repository, repository_id, installation_id, branch, ref, sha, before, pushed_at,
      environment, kind, force, skip, found, work, waiting_since)
    select wanted.*, $2::json, least(now(), (select min(waiting_since) from superseded where state = 'cancelled'))
    from wanted
    returning id, owner, waiting_since
  ),
  enqueued as (
    select dbos.enqueue_workflow(
      '${storyQueue.story}', '${storyQueue.queue}', array[$2::json], workflow_id => run.id,
      app_version => '${storyQueue.version}', application_name => '${storyQueue.application}',
      queue_partition_key => run.owner, priority => ${priorityOf("run.waiting_since")}
    ) from run, told
  )`;
}

/** In the order of the table's columns, which the insert above repeats. */
const columns = `id text, owner text, repository text, repository_id text, installation_id text, branch text, ref text,
      sha text, before text, pushed_at timestamptz, environment text, kind text, force boolean, skip text,
      found boolean`;

/** Of a commit that has been the head before, and is again, the newest is another. */
const foundBefore = `
      select from push known
      where ${sameBranch("known", "wanted")} and known.sha = wanted.sha and known.kind = wanted.kind
        and known.found <> wanted.found
        and known.state not in ('error', 'cancelled') and known.cancelled_at is null
        and not exists (
          select from push newer where ${sameBranch("newer", "wanted")} and newer."order" > known."order"
        )`;

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

/** The values of `runParts`; `undefined` as work leaves nothing to start. */
export function runValues(work: RunWork | undefined, { running, max }: SupersedeRules): readonly unknown[] {
  if (work === undefined) return [null, null, running, max];
  return [JSON.stringify(rowOf(work), cleaned), JSON.stringify(work), running, max];
}

function rowOf({ push, skip, force = false }: RunWork): Record<string, unknown> {
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
