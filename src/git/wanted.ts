import { checkName } from "../model/git-names.ts";

/** What to ask a server for. */
export interface Wanted {
  /** For people. */
  readonly shown: string;
  /** Tried in this order. */
  readonly refs: readonly string[];
  /** What has to come. */
  readonly commit?: string;
  /** The first digits of a commit, which no server can be asked for. */
  readonly abbreviation?: string;
}

/**
 * What a template's REF means: a commit as `sha-HEX` (faas-cli's form, 7 to 40 digits) or as its 40 or 64 digits, else
 * a branch or tag of that name, or the default branch where nothing is named. Only branches and tags: servers also
 * keep what strangers proposed, such as GitHub's refs/pull, under the address of the repository.
 * @throws BuilderError `name_invalid`
 */
export function parseWanted(ref: string): Wanted {
  if (ref === "") return { shown: "HEAD", refs: ["HEAD"] };
  const commit = /^(?:sha-)?((?:[0-9a-f]{40}|[0-9a-f]{64}))$/.exec(ref)?.[1];
  if (commit !== undefined) return wantedCommit(commit);
  const abbreviation = /^sha-([0-9a-f]{7,39})$/.exec(ref)?.[1];
  if (abbreviation !== undefined) return { shown: ref, refs: [], abbreviation };
  const name = checkName("branch", ref);
  return { shown: name, refs: [`refs/heads/${name}`, `refs/tags/${name}`] };
}

/**
 * Exactly one commit.
 * @throws BuilderError `name_invalid`
 */
export function wantedCommit(sha: string): Wanted {
  const commit = checkName("commit", sha);
  return { shown: commit, refs: [commit], commit };
}
