import type { Branches } from "../model/branch-head.ts";
import type { Place } from "../model/place.ts";
import type { Database } from "./database.ts";

/** So many repositories are looked at in one go, those first whose turn was longest ago. */
const maxAtOnce = 200;
/** All branches of a repository together: no branch can have this name. */
const listing = "";

interface Row {
  readonly id: string;
  readonly installation_id: string;
  readonly owner: string;
  readonly name: string;
  readonly private: boolean;
  readonly etag: string | null;
}

/** Reads the repositories that the App may reach, as far as GitHub has told. @throws BuilderError `database_unreachable` */
export async function readWatched(
  database: Database,
): Promise<readonly (Place & { private: boolean; isKnown: boolean; etag: string | undefined })[]> {
  const rows = await database.query<Row>(
    `select repository.id, installation_id, owner, name, private, listed.etag
    from repository
    left join branch_head listed on listed.repository_id = repository.id and listed.branch = '${listing}'
    where not removed and installation_id is not null
      and not exists (select from installation where id = installation_id and state <> 'active')
    order by listed.seen_at nulls first limit ${maxAtOnce}`,
  );
  return rows.map((row) => ({
    ...{ owner: row.owner, repository: row.name, repositoryId: row.id, installationId: row.installation_id },
    ...{ private: row.private, isKnown: row.etag !== null, etag: row.etag || undefined },
  }));
}

/** Of some heads the branches that are not known to have them, and that no run was built of lately. */
export async function readUntoldBranches(
  database: Database,
  repositoryId: string,
  heads: Branches["heads"],
): Promise<readonly string[]> {
  const rows = await database.query<{ name: string }>(
    `select name from json_to_recordset($2::json) as told(name text, sha text)
    where not exists (
        select from branch_head where repository_id = $1 and branch = told.name and branch_head.sha = told.sha)
      and not exists (
        select from push where repository_id = $1 and ref = 'refs/heads/' || told.name
          and (push.sha = told.sha or skip is null and created_at > now() - interval '30 days'))`,
    [repositoryId, JSON.stringify(heads)],
  );
  return rows.map(({ name }) => name);
}

/** Puts down what the branches of a repository are. What is polled by itself keeps its own ETag. */
export async function storeBranches(
  database: Database,
  repositoryId: string,
  { heads, etag = "" }: Branches,
): Promise<void> {
  await database.query(
    `insert into branch_head (repository_id, branch, etag, sha)
    select $1, name, case name when '${listing}' then $3 else '' end, sha
    from json_to_recordset($2::json) as told(name text, sha text)
    on conflict (repository_id, branch) do update set sha = excluded.sha, seen_at = now(),
      etag = case branch_head.branch when '${listing}' then excluded.etag else branch_head.etag end`,
    [repositoryId, JSON.stringify([...heads, { name: listing, sha: "" }]), etag],
  );
}
