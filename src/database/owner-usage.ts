import type { Database } from "./database.ts";

/** What an owner has had built. */
export interface OwnerUsage {
  /** Pushes of the last hour that came to being built, those before the one that asks. */
  readonly builds: number;
  /** When the oldest of them leaves the hour. */
  readonly nextAt: Date | null;
  /** Minutes that functions were built for within the last day. */
  readonly minutes: number;
}

/** Reads what an owner has had built before a run. @throws BuilderError `database_unreachable` */
export async function readOwnerUsage(
  database: Database,
  { owner, run }: { owner: string; run: string },
): Promise<OwnerUsage> {
  const [row] = await database.query<OwnerUsage>(
    `select
      count(*) filter (where started_at > now() - interval '1 hour')::integer as builds,
      min(started_at) filter (where started_at > now() - interval '1 hour') + interval '1 hour' as "nextAt",
      coalesce(sum(seconds), 0) / 60 as minutes
    from (
      select started_at, (select sum(seconds) from push_function where push_id = push.id) as seconds
      from push
      where owner = $1 and id <> $2 and started_at > now() - interval '1 day'
        and "order" < coalesce((select "order" from push where id = $2), "order" + 1)
        and exists (select from push_function where push_id = push.id)
    ) as built`,
    [owner.toLowerCase(), run],
  );
  return row ?? { builds: 0, nextAt: null, minutes: 0 };
}
