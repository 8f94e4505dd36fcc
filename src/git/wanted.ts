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
 * What a template's REF means: a commit as `sha-HEX` (faas-cli's form, 7 to 40 digits in any case) or as its 40 or 64
 * digits in git's own lower case, else a branch or tag of that name, or the default branch where nothing is named. Only
 * branches and tags: servers also keep what strangers proposed, such as GitHub's refs/pull, under the address of the
 * repository.
 * @throws BuilderError `name_invalid`
 */
export function parseWanted(ref: string): Wanted {
  if (ref === "") return { shown: "HEAD", refs: ["HEAD"] };
  const digits = /^sha-([0-9a-f]{7,64})$/i.exec(ref)?.[1]?.toLowerCase() ?? ref;
  if (/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(digits)) return wantedCommit(digits);
  if (digits !== ref && digits.length < 40) return { shown: `sha-${digits}`, refs: [], abbreviation: digits };
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
