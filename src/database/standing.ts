import type { Database } from "./database.ts";

/** Another run of the branch, and whether it is known to be newer than the one in question, or older. */
interface Neighbour {
  readonly id: string;
  readonly sha: string;
  readonly skipped: boolean;
  readonly age: "newer" | "older" | "unknown";
}

type Standing = { readonly order?: string } | { readonly supersededBy: { readonly sha: string } };

/**
 * Puts down that a run begins, and finds out whether it is the newest of its branch.
 *
 * The order is drawn before GitHub is asked what the head is. Of two runs that were seen there the later one was pushed
 * before it drew, and the earlier one had drawn by then: the later one has the higher order, however slowly the
 * processes are. What is not the head is superseded by a run that is known to be newer, or is the head's; while the
 * head's push is not known yet it is built, but moves nothing: the head's own run will.
 *
 * GitHub's answer may be older than the push: what is known to be older than the run does not supersede it.
 *
 * @param readHead the commits that the ref stands for now; none where it is gone or GitHub did not say
 * @throws BuilderError `database_unreachable`, and what `readHead` throws
 */
export async function beginRun(
  database: Database,
  id: string,
  readHead: () => Promise<readonly string[]>,
): Promise<Standing> {
  const [begun] = await database.query<{ order: string; sha: string; kind: string }>(beginStatement, [id]);
  // Runs of before there were rows of them, and those that have ended.
  if (!begun) return {};
  const { order, sha, kind } = begun;
  const heads = await readHead();
  const isHead = heads.includes(sha);
  if (kind === "rebuild") return isHead ? { order } : {};
  const neighbours = await database.query<Neighbour>(neighboursStatement, [id, heads]);
  const newer = neighbours.find(({ age, skipped }) => age === "newer" && !skipped);
  const ofHead = neighbours.filter((run) => heads.includes(run.sha));
  const head = isHead ? undefined : ofHead.find(({ age, skipped }) => age === "unknown" && !skipped);
  const by = newer ?? head;
  if (by) {
    await database.query(supersedeStatement, [id, by.id, `superseded by ${by.sha.slice(0, 7)}`]);
    return { supersededBy: { sha: by.sha } };
  }
  return isHead || heads.length === 0 || ofHead.length > 0 ? { order } : {};
}

const beginStatement = `
  update push set state = 'running', started_at = coalesce(started_at, now()),
    "order" = nextval(pg_get_serial_sequence('push', 'order'))
  where id = $1 and state in ('queued', 'running') and cancelled_at is null
  returning "order", sha, kind`;

const neighboursStatement = `
  select other.id, other.sha, other.skip is not null as skipped,
    case
      when other.pushed_at > own.pushed_at or other.pushed_at = own.pushed_at and other.before = own.sha then 'newer'
      when other.pushed_at < own.pushed_at or other.pushed_at = own.pushed_at and own.before = other.sha then 'older'
      else 'unknown'
    end as age
  from push own
  join push other on other.owner = own.owner and other.repository = own.repository and other.ref = own.ref
    and other.id <> own.id and other.kind <> 'rebuild'
  where own.id = $1 and (other.pushed_at >= own.pushed_at or other.sha = any($2))
  order by other.pushed_at desc nulls last, other."order" desc`;

const supersedeStatement = `
  update push set superseded_by = $2, cancelled_at = now(), description = $3 where id = $1 and cancelled_at is null`;
