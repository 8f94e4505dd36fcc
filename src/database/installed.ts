import type { InstalledChange } from "../model/installed.ts";
import { storable } from "./text.ts";

/** Who looks at older commits does not wait for how they went. */
const memory = "interval '3 days'";

/**
 * The parts of a statement that remember where the App is installed; its values are those of `installedValues`, `$1` to
 * `$4`. What GitHub refused to show while the App was suspended, or not allowed to, is shown then. Events arrive in any order: what was removed by one and told of by another is asked of GitHub before it is used.
 * @param gate a part before these, of one row where they shall be done and of none where not
 * @returns parts that end with `installed_repositories`
 */
export function installedParts(gate: string): string {
  return `installed_state as (
    insert into installation (id, state) select $1::text, $2::text from ${gate}
    where $1::text is not null and $2::text is not null
    on conflict (id) do update set state = excluded.state, changed_at = now()
  ),
  uninstalled as (
    update repository set removed = true, changed_at = now() from ${gate}
    where repository.id = any($4::text[]) and coalesce(repository.installation_id = $1::text, true)
  ),
  told_again as (
    update report set refused = null from ${gate}
    where report.installation_id = $1::text and report.refused is not null and report.changed_at > now() - ${memory}
      and ($2::text = 'active' or report.repository_id in (select id from json_to_recordset($3::json) as told(id text)))
  ),
  installed_repositories as (
    insert into repository (id, installation_id, owner, name, private)
    select told.id, $1::text, told.owner, told.name, told.private
    from ${gate}, json_to_recordset($3::json) as told(id text, owner text, name text, private boolean)
    on conflict (id) do update set
      installation_id = coalesce(excluded.installation_id, repository.installation_id), owner = excluded.owner,
      name = excluded.name, private = excluded.private, removed = false, changed_at = now()
    returning id
  )`;
}

/** The values of `installedParts`. */
export function installedValues({ installationId, state, repositories, removed }: InstalledChange): readonly unknown[] {
  const told = repositories.map(({ id, owner, name, private: isPrivate }) => ({
    id,
    owner: storable(owner),
    name: storable(name),
    private: isPrivate,
  }));
  return [installationId ?? null, state ?? null, JSON.stringify(told), removed];
}
