import { BuilderError } from "../errors.ts";

/**
 * The one guard for everything that comes from a push or a setting and goes to git, into a path or into an address.
 * What passes cannot be taken for an option, cannot leave its folder, and holds nothing that a shell, a header or a
 * terminal would read in its own way.
 */
const guards = {
  owner: {
    accepts: (login: string) => /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/.test(login),
    expected: "letters, digits, - and _, a letter or digit first",
  },
  repository: {
    accepts: (name: string) => /^(?!\.{1,2}$|.*\.git$)[a-z0-9._][a-z0-9._-]{0,99}$/i.test(name),
    expected: "letters, digits, ., - and _, not - first and not .git last",
  },
  /** Or a tag, without `refs/heads/`. */
  branch: {
    accepts: isRefName,
    expected: "what git-check-ref-format allows, not - first",
  },
  commit: {
    accepts: (sha: string) => /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(sha) && !isZeroSha(sha),
    expected: "40 or 64 lower-case hex digits, not all 0",
  },
} as const;

export type NameKind = keyof typeof guards;

/** GitHub's own limit is 255 bytes with `refs/heads/`. */
const maxBranchBytes = 244;

/**
 * Checks the login of an owner, or the name of a repository, branch or commit.
 * @returns the name
 * @throws BuilderError `name_invalid` with the name and the rule
 */
export function checkName(kind: NameKind, name: string): string {
  const fault = faultOfName(kind, name);
  if (fault) throw fault;
  return name;
}

/** The error that `checkName` would throw; undefined for a name that is good. */
export function faultOfName(kind: NameKind, name: string): BuilderError | undefined {
  const { accepts, expected } = guards[kind];
  if (accepts(name)) return undefined;
  const shown = JSON.stringify(name.slice(0, 100));
  return new BuilderError("name_invalid", `${kind} ${shown} is not accepted: expected ${expected}`, {
    fix: `Rename the ${kind}.`,
  });
}

/** True for the zeros that GitHub writes where there is no commit. */
export function isZeroSha(sha: string): boolean {
  return /^0+$/.test(sha);
}

/** The rules of git-check-ref-format(1), no dash first, and text that every file system can hold. */
function isRefName(name: string): boolean {
  if (Buffer.byteLength(name) > maxBranchBytes || !name.isWellFormed() || name === "@" || name.startsWith("-")) {
    return false;
  }
  if (/[\p{Cc} ~^:?*[\\]|\.\.|@\{|\.$/u.test(name)) return false;
  return name.split("/").every((part) => part !== "" && !part.startsWith(".") && !part.endsWith(".lock"));
}
