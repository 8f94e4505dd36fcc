import type { Database } from "./database.ts";

/** A story puts the end of its run down before it ends itself. */
const patienceMs = 10_000;

/**
 * Ends the runs whose stories are over and have not said so: the engine gives up one that ended its process a hundred
 * times, and one that it cannot go on with. Nobody else would ever tell of them.
 * @returns their ids
 * @throws BuilderError `database_unreachable`
 */
export async function endLostRuns(database: Database): Promise<readonly string[]> {
  const rows = await database.query<{ id: string }>(
    `update push set state = 'error', ended_at = now(), description = case story.status
        when 'MAX_RECOVERY_ATTEMPTS_EXCEEDED' then 'given up: of-builder ended again and again while it was at it'
        else 'of-builder failed: its work ended without a word' end
    from dbos.workflow_status story
    where push.state in ('queued', 'running') and story.workflow_uuid = push.id
      and story.status in ('SUCCESS', 'ERROR', 'CANCELLED', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED')
      and story.updated_at < extract(epoch from now()) * 1000 - ${patienceMs}
    returning push.id`,
  );
  return rows.map(({ id }) => id);
}
