import type { BranchHead } from "../model/branch-head.ts";
import type { Push } from "../model/push.ts";
import type { Database } from "./database.ts";

/** Reads how far GitHub's notes are known; the first one asked puts down when this installation began. */
export async function readMark(database: Database): Promise<{ beganAt: Date; knownUntil: Date | undefined }> {
  await database.query("insert into sweep (name) values ('deliveries') on conflict do nothing");
  const [row] = await database.query<{ began_at: Date; known_until: Date | null }>(
    "select began_at, known_until from sweep where name = 'deliveries'",
  );
  return { beganAt: row?.began_at ?? new Date(), knownUntil: row?.known_until ?? undefined };
}

/**
 * Whether it is time to look for something. All processes do, each after the same interval: where another has looked
 * within half of it, that is enough.
 */
export async function isLookDue(
  database: Database,
  name: string,
  { intervalMs }: { intervalMs: number },
): Promise<boolean> {
  const fresh = await database.query(
    "select from sweep where name = $1 and swept_at > now() - $2 / 2.0 * interval '1 ms'",
    [name, intervalMs],
  );
  return fresh.length === 0;
}

/** Puts down that something was looked for. */
export async function storeLook(database: Database, name: string): Promise<void> {
  await database.query(
    "insert into sweep (name, swept_at) values ($1, now()) on conflict (name) do update set swept_at = now()",
    [name],
  );
}

export async function storeMark(database: Database, knownUntil: Date): Promise<void> {
  await database.query(
    `insert into sweep (name, known_until) values ('deliveries', $1)
    on conflict (name) do update set known_until = greatest(sweep.known_until, $1)`,
    [knownUntil],
  );
}

/** Which of some GUIDs were never stored. */
export async function unknownOf(database: Database, guids: readonly string[]): Promise<ReadonlySet<string>> {
  if (guids.length === 0) return new Set();
  const rows = await database.query<{ guid: string }>(
    "select told as guid from unnest($1::text[]) as told where not exists (select from delivery where guid = told)",
    [guids],
  );
  return new Set(rows.map(({ guid }) => guid));
}

/**
 * The branches that something was built of lately, each with the newest run that no other has taken the place of. Those
 * of repositories that the App may not reach any more are left out; the names are those of today.
 */
export async function readBuiltBranches(
  database: Database,
): Promise<readonly { push: Push & { installationId: string }; etag: string | undefined }[]> {
  const rows = await database.query<BuiltRow>(builtStatement);
  return rows.map(({ push, owner, name, is_private, installation_id, etag }) => ({
    push: {
      ...push,
      owner: owner ?? push.owner,
      repository: name ?? push.repository,
      private: is_private ?? push.private,
      installationId: installation_id,
    },
    etag: etag || undefined,
  }));
}

interface BuiltRow {
  readonly push: Push;
  readonly installation_id: string;
  readonly owner: string | null;
  readonly name: string | null;
  readonly is_private: boolean | null;
  readonly etag: string | null;
}

const builtStatement = `
  with newest as (
    select distinct on (repository_id, ref) repository_id, ref, branch, installation_id, work -> 'push' as push
    from push
    where ref like 'refs/heads/%' and installation_id is not null and superseded_by is null
      and created_at > now() - interval '30 days'
    order by repository_id, ref, "order" desc
  )
  select push, coalesce(known.installation_id, newest.installation_id) as installation_id, known.owner, known.name,
    known.private as is_private, branch_head.etag
  from newest
  left join repository known on known.id = newest.repository_id
  left join branch_head on branch_head.repository_id = newest.repository_id and branch_head.branch = newest.branch
  where exists (
      select from push built
      where built.repository_id = newest.repository_id and built.ref = newest.ref and built.skip is null)
    and not coalesce(known.removed, false)
    and not exists (
      select from installation
      where id = coalesce(known.installation_id, newest.installation_id) and state <> 'active')
  order by newest.repository_id, newest.ref`;

export async function storeHead(
  database: Database,
  { repositoryId, branch }: { repositoryId: string; branch: string },
  { etag, sha }: BranchHead,
): Promise<void> {
  await database.query(
    `insert into branch_head (repository_id, branch, etag, sha) values ($1, $2, $3, $4)
    on conflict (repository_id, branch) do update set etag = $3, sha = $4, seen_at = now()`,
    [repositoryId, branch, etag, sha],
  );
}
