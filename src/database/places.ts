import type { Place } from "../model/place.ts";
import type { Database } from "./database.ts";

/**
 * Reads where a repository is today: by what GitHub told last of it, be that its move or a push. A run that waits, or is
 * built anew, knows only where it was.
 * @returns what is known of that
 * @throws BuilderError `database_unreachable`
 */
export async function readPlace(database: Database, repositoryId: string): Promise<Partial<Place>> {
  const [row] = await database.query<{ place: Partial<Place> }>(placeStatement, [repositoryId]);
  return row?.place ?? {};
}

const placeStatement = `
  select json_strip_nulls(json_build_object(
    'owner', owner, 'repository', repository, 'installationId', installation_id)) as place
  from (
    select owner, name as repository, installation_id, changed_at as told_at
    from repository where id = $1 and not removed
    union all (
      select work -> 'push' ->> 'owner', work -> 'push' ->> 'repository', installation_id,
        coalesce(pushed_at, created_at)
      from push where repository_id = $1 and kind <> 'rebuild'
      order by created_at desc limit 1)
  ) told
  order by told_at desc limit 1`;
