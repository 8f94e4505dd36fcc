import type { PushOutcome } from "../model/outcome.ts";
import { stackContext } from "../model/report.ts";
import type { UntoldRun } from "../model/untold-run.ts";
import type { Database } from "./database.ts";
import type { ReportedPush } from "./reports.ts";

/** Stories tell by themselves; this much later they should have. */
const patience = "interval '3 seconds'";
/** What was wrong for longer than this nobody waits for any more. */
const memory = "interval '3 days'";
const maxAtOnce = 200;

const statement = `
  with waiting as (
    select id, (row_number() over (order by waiting_since, "order") - 1)::integer as before
    from push where state = 'queued'
  )
  select push.id, push.owner, push.repository, push.repository_id, push.installation_id, push.sha, push.state,
    push.description, push.skip is not null as is_skipped, push.outcome, newer.sha as newer_sha,
    coalesce(waiting.before, 0) as before, untold.functions
  from push
  left join waiting on waiting.id = push.id
  left join push newer on newer.id = push.superseded_by
  left join report stack on stack.push_id = push.id and stack.context = '${stackContext}'
  cross join lateral (
    select coalesce(json_agg(part.context), '[]') as functions from report part
    where part.push_id = push.id and part.context <> '${stackContext}' and not part.ended
  ) untold
  where push.installation_id is not null and push.created_at > now() - ${memory} and (
    push.state = 'queued' and push.created_at < now() - ${patience}
      and stack.wanted ->> 'place' is distinct from waiting.before::text
    or push.ended_at < now() - ${patience}
      and (stack.ended is distinct from true or json_array_length(untold.functions) > 0)
  )
  order by push.created_at limit ${maxAtOnce}`;

interface Row {
  readonly id: string;
  readonly owner: string;
  readonly repository: string;
  readonly repository_id: string;
  readonly installation_id: string;
  readonly sha: string;
  readonly state: UntoldRun["state"];
  readonly description: string;
  readonly is_skipped: boolean;
  readonly outcome: PushOutcome | null;
  readonly newer_sha: string | null;
  readonly before: number;
  readonly functions: readonly string[];
}

/**
 * Finds the runs whose reports do not say what their rows do: that they wait, and that they have ended.
 * @throws BuilderError `database_unreachable`
 */
export async function readUntold(
  database: Database,
): Promise<readonly (UntoldRun & { readonly push: ReportedPush })[]> {
  const rows = await database.query<Row>(statement);
  return rows.map(({ state, description, before, functions, ...row }) => ({
    push: {
      delivery: row.id,
      owner: row.owner,
      repository: row.repository,
      repositoryId: row.repository_id,
      installationId: row.installation_id,
      sha: row.sha,
    },
    ...{ state, description, before, functions },
    isSkipped: row.is_skipped,
    outcome: row.outcome ?? undefined,
    newerSha: row.newer_sha ?? undefined,
  }));
}
