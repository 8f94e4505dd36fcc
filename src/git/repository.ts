import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type SimpleGit, simpleGit } from "simple-git";
import { BuilderError, messageOf } from "../errors.ts";
import { type GitWorld, gitEnvironment } from "./git-environment.ts";
import { isRefMissing } from "./git-error.ts";
import { endProcessesIn } from "./leftover-processes.ts";
import type { Mirror } from "./mirrors.ts";
import type { SpareTree } from "./spare-trees.ts";
import { type CheckoutLimits, checkTree, defaultLimits, tooLarge, tooMany, watchFetch } from "./tree-bounds.ts";
import type { Wanted } from "./wanted.ts";

/** One fetch: from where, and what. */
export interface Fetch {
  readonly url: URL;
  readonly wanted: Wanted;
  readonly protocols: readonly string[];
  readonly token?: string | undefined;
}

/** A repository of our own for one fetch, cut off from the world but for that. */
export interface Repository {
  /** The folder that everything lies in. */
  readonly root: string;
  /** Where the files come to lie. */
  readonly tree: string;
  readonly git: SimpleGit;
  /** Aborted with the reason once something passes its bounds. */
  readonly stop: AbortController;
  readonly limits: CheckoutLimits;
  /** The files of an earlier checkout that are here already. */
  readonly spare: SpareTree | undefined;
}

interface Setting {
  readonly fetch: Fetch;
  readonly temporaryFolder: string;
  readonly inherited: GitWorld["inherited"];
  readonly limits: CheckoutLimits;
  /** Whose objects to borrow. */
  readonly mirror: Mirror | undefined;
  readonly spare: SpareTree | undefined;
}

/** Names of files and messages; a tree that unfolds without end stops here. */
const maxOutputBytes = 64 * 1024 * 1024;

/** Makes the repository; `removeRepository` takes it away. */
export async function createRepository(setting: Setting, signal: AbortSignal): Promise<Repository> {
  const { fetch, mirror, limits, spare } = setting;
  const root = spare?.root ?? (await mkdtemp(join(setting.temporaryFolder, "checkout-")));
  const [home, tree] = [join(root, "home"), join(root, "tree")];
  await Promise.all([mkdir(home, { recursive: true }), mkdir(tree, { recursive: true })]);
  const environment = gitEnvironment({
    home,
    protocols: fetch.protocols,
    inherited: setting.inherited,
    ...(fetch.token !== undefined && { credentials: { origin: fetch.url.origin, token: fetch.token } }),
  });
  const stop = new AbortController();
  const git = simpleGit({
    baseDir: tree,
    abort: AbortSignal.any([signal, stop.signal]),
    allowEnvironment: Object.keys(environment),
    unsafe: ourOwn,
  })
    .env(environment)
    .outputHandler(boundOutput(stop));
  const repository = { root, tree, git, stop, limits, spare };
  try {
    const format = fetch.wanted.commit?.length === 64 ? ["--object-format=sha256"] : [];
    await git.raw(["init", "--quiet", "--template=", "--initial-branch=none", ...format]);
    if (mirror) await borrow(repository, mirror);
    if (spare) await rename(join(root, "index"), join(tree, ".git/index"));
    return repository;
  } catch (error) {
    await removeRepository(repository, { mayRun: signal.aborted });
    throw error;
  }
}

/**
 * @param mayRun whether git may have been stopped in the middle: then its helpers are ended first
 */
export async function removeRepository({ root }: Pick<Repository, "root">, { mayRun }: { mayRun: boolean }) {
  if (mayRun) await endProcessesIn(root);
  await rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

/**
 * simple-git refuses settings that could come from a stranger. Ours are constants, but for the origin in the name of
 * the header's setting, which it searches for words such as "alias" and "pager".
 */
const ourOwn = {
  allowUnsafeConfigEnvCount: true,
  allowUnsafeConfigPaths: true,
  allowUnsafeHooksPath: true,
  allowUnsafeTemplateDir: true,
  allowUnsafeAlias: true,
  allowUnsafePager: true,
};

function boundOutput(stop: AbortController) {
  let bytes = 0;
  const count = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxOutputBytes) stop.abort(tooMany(defaultLimits.maxFiles));
  };
  return (_command: string, ...streams: readonly unknown[]) => {
    for (const stream of streams.slice(0, 2) as NodeJS.ReadableStream[]) stream.on("data", count);
  };
}

/** Its commits count as ours, each without its parents, so that the server sends only what they do not hold. */
async function borrow({ tree }: Repository, { objects, commits }: Mirror): Promise<void> {
  const dotGit = join(tree, ".git");
  await mkdir(join(dotGit, "objects/info"), { recursive: true });
  await writeFile(join(dotGit, "objects/info/alternates"), `${objects}\n`);
  await writeFile(join(dotGit, "shallow"), commits.map((sha) => `${sha}\n`).join(""));
  await writeFile(join(dotGit, "packed-refs"), commits.map((sha) => `${sha} refs/kept/${sha}\n`).join(""));
}

/** The folder with what a fetch brought. */
export function packsOf({ tree }: Pick<Repository, "tree">): string {
  return join(tree, ".git", "objects", "pack");
}

/**
 * Fetches what is wanted, without its history, and without files that are too large by themselves where the server can
 * leave them out. Any other file may be needed: which ones is known only when the first have been read.
 * @returns the commit
 */
export async function fetchCommit(repository: Repository, fetch: Fetch): Promise<string> {
  const { git, limits } = repository;
  const options = [...fetchOptions, `--filter=blob:limit=${limits.maxBytes}`, "--depth=1"];
  await watched(repository, () => fetchFirst(git, [...options, "--", fetch.url.href], fetch.wanted.refs));
  const sha = await revParse(git, "FETCH_HEAD");
  const { commit } = fetch.wanted;
  if (commit !== undefined && sha !== commit) {
    throw new BuilderError("checkout_failed", `${fetch.url.href} answered ${sha} when asked for ${commit}`);
  }
  return sha;
}

/**
 * Finds the commit that an abbreviation means; for that the names of all commits have to be fetched.
 * @throws the error of git where there is none, or more than one
 */
export async function fetchAbbreviated(repository: Repository, { url, wanted }: Fetch): Promise<string> {
  const { git } = repository;
  const refs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
  await watched(repository, () => git.raw([...fetchOptions, "--filter=tree:0", "--", url.href, ...refs]));
  return revParse(git, wanted.abbreviation ?? "");
}

const fetchOptions = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-gc"];

async function watched(repository: Repository, work: () => Promise<unknown>): Promise<void> {
  const unwatch = watchFetch(packsOf(repository), repository.limits, (error) => repository.stop.abort(error));
  try {
    await work();
  } finally {
    unwatch();
  }
}

async function fetchFirst(git: SimpleGit, options: readonly string[], refs: readonly string[]): Promise<void> {
  for (const [index, ref] of refs.entries()) {
    try {
      await git.raw([...options, ref]);
      return;
    } catch (error) {
      if (index === refs.length - 1 || !isRefMissing(messageOf(error))) throw error;
    }
  }
}

async function revParse(git: SimpleGit, name: string): Promise<string> {
  return (await git.raw(["rev-parse", "--verify", "--end-of-options", `${name}^{commit}`])).trim();
}

/** The files of a commit, written. */
export interface WrittenTree extends Omit<SpareTree, "root"> {
  /** Unix seconds of the commit. */
  readonly committedAt: number;
  /** What its author says of it; of a very long one the beginning. */
  readonly message: string;
}

/** A message may be as large as a repository: git itself is told to cut it, and counts no character without a width. */
const maxMessage = 10_000;
const commitFormat = `--format=%ct%n%<(${maxMessage},trunc)%B`;

/**
 * Writes the files of a commit that is here, once its tree is found to be within its bounds.
 * @throws BuilderError `context_invalid`
 */
export async function writeTree(repository: Repository, sha: string): Promise<WrittenTree> {
  const { git, limits, spare } = repository;
  const found = checkTree(await listTree(git, sha, limits), limits);
  const told = await git.raw(["show", "-s", "--no-show-signature", commitFormat, sha]);
  const [seconds = "", ...message] = told.trimEnd().split("\n");
  if (spare && spare.attributes !== found.attributes) await emptyTree(repository);
  await git.raw(["checkout", "--quiet", "--detach", "--force", sha]);
  return { ...found, committedAt: Number(seconds), message: message.join("\n").slice(0, maxMessage) };
}

async function emptyTree({ tree }: Repository): Promise<void> {
  await rm(join(tree, ".git/index"));
  const names = (await readdir(tree)).filter((name) => name !== ".git");
  await Promise.all(names.map((name) => rm(join(tree, name), { recursive: true })));
}

async function listTree(git: SimpleGit, sha: string, { maxBytes }: CheckoutLimits): Promise<string> {
  try {
    return await git.raw(["ls-tree", "-r", "-l", "-z", "--full-tree", sha]);
  } catch (error) {
    // What the server has left out is what the filter named.
    if (/from promisor remote|lazy fetching disabled/.test(messageOf(error))) throw tooLarge(maxBytes);
    throw error;
  }
}

/** Whether everything that was borrowed is there. */
export async function isWhole({ git }: Repository): Promise<boolean> {
  return git.raw(["rev-list", "--objects", "--all", "--quiet"]).then(
    () => true,
    () => false,
  );
}

/** Takes git's own folder away from the files. */
export async function removeDotGit({ root, tree }: Repository, { keepIndex }: { keepIndex: boolean }): Promise<void> {
  if (keepIndex) await rename(join(tree, ".git/index"), join(root, "index"));
  await rm(join(tree, ".git"), { recursive: true, force: true });
}
