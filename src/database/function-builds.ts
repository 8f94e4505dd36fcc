import type { GoodBuild } from "../model/inputs.ts";
import type { Database } from "./database.ts";

/** Which function of which branch of whose repository. */
export interface FunctionKey {
  readonly owner: string;
  readonly repository: string;
  readonly branch: string;
}

/**
 * The last good builds of a branch's functions.
 * @returns by the functions' names; those that were never built well are not in it
 * @throws BuilderError `database_unreachable`
 */
export async function readGoodBuilds(
  database: Database,
  { owner, repository, branch }: FunctionKey,
): Promise<ReadonlyMap<string, GoodBuild>> {
  const rows = await database.query<GoodBuild & { function: string }>(
    `select function, inputs, image, digest, sha from function_build
    where owner = $1 and repository = $2 and branch = $3`,
    [owner.toLowerCase(), repository.toLowerCase(), branch],
  );
  return new Map(rows.map(({ function: name, ...build }) => [name, build]));
}

/**
 * Remembers a build that went well as its function's last one, unless a later push of the branch has one. A failed or
 * cancelled build is never stored: what it was to build is still changed then.
 * @param build.order the push's place in the order of its branch
 * @throws BuilderError `database_unreachable`
 */
export async function storeGoodBuild(
  database: Database,
  { owner, repository, branch, name }: FunctionKey & { name: string },
  { inputs, image, digest, sha, order }: GoodBuild & { readonly order: string },
): Promise<void> {
  await database.query(
    `insert into function_build (owner, repository, branch, function, inputs, image, digest, sha, "order")
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    on conflict (owner, repository, branch, function) do update
    set inputs = $5, image = $6, digest = $7, sha = $8, "order" = $9, built_at = now()
    where function_build."order" <= $9`,
    [owner.toLowerCase(), repository.toLowerCase(), branch, name, inputs, image, digest, sha, order],
  );
}
