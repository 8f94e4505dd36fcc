import { type SimpleGit, simpleGit } from "simple-git";
import { BuilderError, messageOf } from "../errors.ts";

/** What a person's own clone has checked out. */
export interface Head {
  readonly sha: string;
  readonly branch: string;
  /** Address of the remote "origin". */
  readonly remote: string;
  /** Unix seconds. */
  readonly committedAt: number;
  readonly message: string;
}

const nameCommands = {
  sha: ["rev-parse", "--short", "HEAD"],
  branch: ["rev-parse", "--abbrev-ref", "HEAD"],
  describe: ["describe", "--tags", "--always"],
} as const;

/**
 * Reads a name of the commit that a folder of the person at the terminal has checked out: its short SHA, its branch (`HEAD`
 * where there is none) or what `git describe` makes of its tags.
 * @throws BuilderError `usage` where the folder has no commit
 */
export async function readCommitName(
  folder: string,
  kind: keyof typeof nameCommands,
  { signal }: { signal: AbortSignal },
): Promise<string> {
  try {
    return (await openAsItIs(folder, signal).raw(...nameCommands[kind])).trim();
  } catch (cause) {
    signal.throwIfAborted();
    throw new BuilderError("usage", `${folder} is no git repository with a commit: ${messageOf(cause)}`, {
      cause,
      fix: "Commit first, or leave out --tag.",
    });
  }
}

/** A repository that came from elsewhere shall run nothing. */
const runsNothing = ["core.fsmonitor=false", "core.hooksPath=/dev/null"];
/** Simple-git takes settings of these names for a stranger's. */
const ours = { allowUnsafeFsMonitor: true, allowUnsafeHooksPath: true };
/** Of the repository itself: filters of files, and remotes that missing objects would be fetched from. */
const runningSettings = /^(?:local|worktree)\s+(?:filter\.|extensions\.partialclone|remote\..*\.promisor)/im;
const gitlink = /^160000 /m;

/**
 * The commit that a folder's files are, as `git status` tells of them; nothing of the repository is run for that.
 * @returns its SHA; "" where the folder has none, or was changed since, or where only running something would tell: filters
 *   of the repository's own, submodules, a partial clone
 */
export async function readUnchangedCommit(folder: string, { signal }: { signal: AbortSignal }): Promise<string> {
  try {
    const git = openAsItIs(folder, signal);
    if (runningSettings.test(await git.raw("config", "--show-scope", "--name-only", "--list"))) return "";
    if (gitlink.test(await git.raw("ls-files", "--stage", "--", "."))) return "";
    const sha = (await git.raw("rev-parse", "--verify", "HEAD")).trim();
    const changes = await git.raw(
      "--no-optional-locks",
      "status",
      "--porcelain",
      "--ignore-submodules=dirty",
      "--",
      ".",
    );
    return changes === "" ? sha : "";
  } catch {
    signal.throwIfAborted();
    return "";
  }
}

/**
 * Reads what a folder of the person at the terminal has checked out. It is their own repository: nothing of it is run.
 * @throws BuilderError `usage` where it is none, or has no remote "origin"
 */
export async function readHead(folder: string, { signal }: { signal: AbortSignal }): Promise<Head> {
  try {
    const git = openAsItIs(folder, signal);
    const [sha = "", seconds = "", ...message] = (await git.raw("log", "-1", "--format=%H%n%ct%n%B")).split("\n");
    const branch = (await git.raw("rev-parse", "--abbrev-ref", "HEAD")).trim();
    const remote = (await git.raw("remote", "get-url", "origin")).trim();
    return { sha, branch, remote, committedAt: Number(seconds), message: message.join("\n").trim() };
  } catch (cause) {
    signal.throwIfAborted();
    throw new BuilderError("usage", `${folder} is no clone with a commit and a remote "origin": ${messageOf(cause)}`, {
      cause,
    });
  }
}

function openAsItIs(folder: string, signal: AbortSignal): SimpleGit {
  return simpleGit({ baseDir: folder, abort: signal, config: runsNothing, unsafe: ours });
}
