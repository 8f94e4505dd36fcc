import type { Database } from "./database.ts";
import { type Run, runColumns } from "./pushes.ts";
import { storable } from "./text.ts";

/** Which runs are asked for; what is absent does not matter. */
export interface RunFilter {
  readonly owner?: string;
  readonly repository?: string;
  readonly branch?: string;
  readonly state?: Run["state"];
  /** Id of a run: those older than it. */
  readonly after?: string;
  readonly limit: number;
}

/** Reads runs, the newest first. */
export async function listRuns(database: Database, filter: RunFilter): Promise<readonly Run[]> {
  const { owner, repository, branch, state, after, limit } = filter;
  const values = [owner, repository, branch, state, after].map((text) => (text === undefined ? null : storable(text)));
  return database.query<Run>(
    `select ${runColumns} from push
    where ($1::text is null or owner = $1) and ($2::text is null or repository = $2)
      and ($3::text is null or branch = $3) and ($4::text is null or state = $4)
      and ($5::text is null or (created_at, id) < (select older.created_at, older.id from push older where older.id = $5))
    order by created_at desc, id desc limit $6`,
    [...values, limit],
  );
}
