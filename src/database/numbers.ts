import type { Database } from "./database.ts";

/** How the whole installation does, as every process on its database sees it. */
export interface Numbers {
  readonly queued: number;
  readonly running: number;
  /** How long the push that waits longest has waited; 0 where none waits. */
  readonly oldestSeconds: number;
  /** Reports that GitHub does not show yet. */
  readonly reportsWaiting: number;
  /** What is left of GitHub's hourly quota, of the installations that have least. */
  readonly quotas: readonly { readonly installation: string; readonly left: number }[];
}

const maxQuotas = 100;

/** Reads the figures of this moment. @throws BuilderError `database_unreachable` */
export async function readNumbers(database: Database): Promise<Numbers> {
  const [[row], quotas] = await Promise.all([
    database.query<Record<"queued" | "running" | "oldest" | "reports", string>>(
      `select count(*) filter (where state = 'queued') as queued, count(*) filter (where state = 'running') as running,
        coalesce(extract(epoch from now() - min(waiting_since) filter (where state = 'queued')), 0) as oldest,
        (select count(*) from report where unsent) as reports
      from push where state in ('queued', 'running')`,
    ),
    database.query<{ installation: string; left: number }>(
      `select installation_id as installation, quota_left as left from report_lane
      where quota_left is not null and quota_resets_at > now() order by quota_left limit ${maxQuotas}`,
    ),
  ]);
  return {
    queued: Number(row?.queued ?? 0),
    running: Number(row?.running ?? 0),
    oldestSeconds: Number(row?.oldest ?? 0),
    reportsWaiting: Number(row?.reports ?? 0),
    quotas,
  };
}
