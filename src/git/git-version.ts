import { simpleGit } from "simple-git";
import { BuilderError } from "../errors.ts";
import { translateGitError } from "./git-error.ts";

/*
 * What was mended in git does not all concern us: git runs here without submodules (CVE-2018-11235, -17456, 2019-1387,
 * 2024-32002, 2025-48384), hooks, filters (2021-21300), clones of any kind (2022-39253, 2023-22490, 2024-32004, -32020,
 * -32021, -32465), bundles (2025-48385), prompts and helpers (2024-50349, -52006), and what a server says is cleaned
 * (2024-52005). What nothing here switches off is how .gitattributes are read: CVE-2022-23521, mended in `mended`.
 */

/** The first good patch level of each line; lines before have none, later ones are good from the start. */
const mended: Readonly<Record<number, number>> = {
  30: 7,
  31: 6,
  32: 5,
  33: 6,
  34: 6,
  35: 6,
  36: 4,
  37: 5,
  38: 3,
  39: 1,
};
/** Everything named above is mended in it. */
const wanted = [2, 50, 1] as const;

/** What is to be thought of a git. */
export interface GitVersion {
  /** Such as "2.39.5". */
  readonly version: string;
  readonly state: "good" | "doubtful";
  /** "" where there is nothing to say. */
  readonly remark: string;
  readonly fix: string;
}

/**
 * Asks git which one it is.
 * @param environment only its PATH is used
 * @throws BuilderError `tool_missing`
 */
export async function readGitVersion(
  { PATH = "/usr/local/bin:/usr/bin:/bin" }: Readonly<Record<string, string | undefined>>,
  { signal }: { signal: AbortSignal },
): Promise<GitVersion> {
  try {
    return judgeGitVersion(await simpleGit({ abort: signal }).env({ PATH }).raw(["--version"]));
  } catch (error) {
    signal.throwIfAborted();
    throw translateGitError(error, { what: "git --version", token: undefined, goneCode: "commit_gone" });
  }
}

/**
 * Judges by what git says of itself. Distributions mend old gits under their old numbers, so none is refused.
 * @param text what `git --version` prints
 */
export function judgeGitVersion(text: string): GitVersion {
  const [, version = ""] = /^git version (\d+\.\d+(?:\.\d+)?)/.exec(text) ?? [];
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  if (version === "") throw new BuilderError("tool_missing", `git says ${JSON.stringify(text.slice(0, 100))}`);
  if (isFrom([major, minor, patch], wanted)) return { version, state: "good", remark: "", fix: "" };
  if (major > 2 || (major === 2 && (minor > 39 || patch >= (mended[minor] ?? Number.POSITIVE_INFINITY)))) {
    const remark = `older than ${wanted.join(".")}: what was mended since concerns submodules, clones, bundles and prompts, which are not used here`;
    return { version, state: "good", remark, fix: "" };
  }
  return {
    version,
    state: "doubtful",
    remark:
      "a repository may take it over by its .gitattributes (CVE-2022-23521), unless your distribution has mended it",
    fix: `Install your distribution's updates of git, or git ${wanted.join(".")} or newer.`,
  };
}

function isFrom(version: readonly number[], least: readonly number[]): boolean {
  const at = least.findIndex((part, index) => part !== version[index]);
  return at < 0 || (version[at] ?? 0) > (least[at] ?? 0);
}
