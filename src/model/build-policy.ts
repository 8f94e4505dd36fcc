import { globExpression } from "./glob.ts";

/** Branches that are built, and what for. */
export interface BranchRule {
  /** Pattern of the branches' names. */
  readonly glob: string;
  /** "" = nothing is said. */
  readonly environment: string;
}

/** What of all that is pushed is built. */
export interface BuildPolicy {
  /** The first rule that fits a branch counts; none at all: the repository's default branch is built. */
  readonly branches: readonly BranchRule[];
  /** Patterns of the tags that are built. */
  readonly tags: readonly string[];
  /** Patterns of files, those with `!` first exempted: a push that changes none of them is not built. None: each is. */
  readonly paths: readonly string[];
  /** Whose pull requests are built: all (those of forks after an approval), those from within the repository, none. */
  readonly pullRequests: "all" | "own" | "none";
}

/** @returns the environment that a branch is built for, undefined where it is not built */
export function environmentOf(branch: string, { branches }: BuildPolicy, defaultBranch: string): string | undefined {
  if (branches.length === 0) return branch === defaultBranch ? "" : undefined;
  return branches.find(({ glob }) => globExpression(glob).test(branch))?.environment;
}

/** The branches that are built, for a sentence. */
export function branchesText({ branches }: BuildPolicy, defaultBranch: string): string {
  if (branches.length === 0) return `the build branch is: ${defaultBranch}`;
  const globs = branches.map(({ glob }) => glob).join(", ");
  return branches.length === 1 ? `the build branch is: ${globs}` : `the build branches are: ${globs}`;
}

export function isBuiltTag(tag: string, { tags }: BuildPolicy): boolean {
  return tags.some((glob) => globExpression(glob).test(tag));
}

/** Whether one of some changed files is wanted by the policy. A pattern that ends in `/` means all that lies below. */
export function changesWanted(changed: Iterable<string>, { paths }: BuildPolicy): boolean {
  const of = (globs: readonly string[]) => globs.map((glob) => globExpression(glob.endsWith("/") ? `${glob}**` : glob));
  const excluded = of(paths.filter((glob) => glob.startsWith("!")).map((glob) => glob.slice(1)));
  const positive = paths.filter((glob) => !glob.startsWith("!"));
  const included = of(positive.length === 0 ? ["**"] : positive);
  const fits = (expressions: readonly RegExp[], path: string) => expressions.some((one) => one.test(path));
  for (const path of changed) if (fits(included, path) && !fits(excluded, path)) return true;
  return false;
}

const skipMarks = ["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]"];
const maxMessage = 100_000;

/**
 * The words of a commit's message by which its author wants nothing built, as GitHub Actions knows them: a mark
 * anywhere, or the trailer `skip-checks: true` in the last paragraph.
 */
export function skipMarkOf(message: string): string | undefined {
  const text = message.slice(0, maxMessage).toLowerCase();
  const mark = skipMarks.find((candidate) => text.includes(candidate));
  if (mark !== undefined) return mark;
  const paragraphs = text.trimEnd().split(/\n\s*\n/);
  const isTrailer = paragraphs.length > 1 && /^skip-checks:\s*true\s*$/m.test(paragraphs.at(-1) ?? "");
  return isTrailer ? "skip-checks: true" : undefined;
}
