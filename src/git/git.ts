import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { type SimpleGit, simpleGit } from "simple-git";
import { BuilderError } from "../errors.ts";
import type { Log } from "../log.ts";
import { checkName } from "../model/git-names.ts";
import { parseAddress, parseWanted } from "./git-address.ts";
import { type GitWorld, gitEnvironment } from "./git-environment.ts";
import { translateGitError } from "./git-error.ts";
import { endProcessesIn } from "./leftover-processes.ts";
import { type CheckoutLimits, checkTree, defaultLimits, tooMany, watchFetch } from "./tree-bounds.ts";

/** The files of one commit in a folder of their own, without git's own folder. Disposing of it removes them. */
export interface Checkout extends AsyncDisposable {
  readonly folder: string;
  readonly sha: string;
  /** Unix seconds. */
  readonly committedAt: number;
}

export interface Git {
  /**
   * Fetches exactly one commit.
   * @param token for a private repository; it is in no address, argument, log or error
   * @throws BuilderError `commit_gone`, `checkout_failed`, `context_invalid` (too large), `name_invalid`, `tool_missing`
   */
  checkout(want: { url: string; sha: string; token?: string }, options: { signal: AbortSignal }): Promise<Checkout>;
  /**
   * Fetches the newest commit of a branch or tag, or a given commit, of a repository that the operator named.
   * @param want.url may end in `#REF`
   * @param want.ref see parseWanted; absent: the address's own, else the default branch
   * @throws BuilderError as above, `template_unknown` where there is no such ref
   */
  checkoutRef(want: { url: string; ref?: string }, options: { signal: AbortSignal }): Promise<Checkout>;
}

export interface GitOptions {
  /** An existing folder; each checkout makes one of its own in it. */
  readonly temporaryFolder: string;
  /** Development: repositories may also come over plain HTTP, and templates from this disk. */
  readonly allowHttp: boolean;
  readonly log: Log;
  /** The process's environment: only PATH, proxies and certificates are taken of it. */
  readonly environment?: GitWorld["inherited"];
  readonly limits?: Partial<CheckoutLimits>;
}

/** One fetch: from where, what, and how its faults are called. */
interface Fetch {
  readonly url: URL;
  readonly wanted: string;
  readonly protocols: readonly string[];
  readonly goneCode: "commit_gone" | "template_unknown";
  readonly token?: string | undefined;
}

/** Names of files and messages; a tree that unfolds without end stops here. */
const maxOutputBytes = 64 * 1024 * 1024;

/**
 * Creates the way to git repositories: the system's git, cut off from everything that could make it run or fetch
 * something else (git-environment.ts), bounded in time, bytes and files.
 */
export function createGit(options: GitOptions): Git {
  const overNetwork = options.allowHttp ? ["https", "http"] : ["https"];
  const fromOperator = options.allowHttp ? [...overNetwork, "file"] : overNetwork;
  return {
    async checkout({ url, sha, token }, { signal }) {
      const address = parseAddress(url, overNetwork).url;
      const wanted = checkName("commit", sha);
      return open(options, { url: address, wanted, token, protocols: overNetwork, goneCode: "commit_gone" }, signal);
    },
    async checkoutRef({ url, ref }, { signal }) {
      const { url: address, fragment } = parseAddress(url, fromOperator);
      const wanted = parseWanted(ref ?? fragment);
      return open(options, { url: address, wanted, protocols: fromOperator, goneCode: "template_unknown" }, signal);
    },
  };
}

async function open(options: GitOptions, fetch: Fetch, signal: AbortSignal): Promise<Checkout> {
  signal.throwIfAborted();
  const limits = { ...defaultLimits, ...options.limits };
  const root = await mkdtemp(join(options.temporaryFolder, "checkout-"));
  const remove = () => rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  const stop = new AbortController();
  const timeout = AbortSignal.timeout(limits.timeMs);
  try {
    const git = await createRepository({ root, fetch, options, stop, signals: [signal, timeout] });
    const tree = join(root, "tree");
    const unwatch = watchFetch(tree, limits, (error) => stop.abort(error));
    const commit = await fetchCommit(git, fetch, limits).finally(unwatch);
    await git.raw(["checkout", "--quiet", "--detach", "--force", commit.sha]);
    await rm(join(tree, ".git"), { recursive: true, force: true });
    options.log.info({ url: fetch.url.href, sha: commit.sha }, "checked out");
    return { folder: tree, ...commit, [Symbol.asyncDispose]: remove };
  } catch (error) {
    if ([signal, timeout, stop.signal].some(({ aborted }) => aborted)) await endProcessesIn(root);
    await remove();
    if (signal.aborted) throw signal.reason;
    if (stop.signal.aborted) throw stop.signal.reason;
    const what = `${fetch.wanted} of ${fetch.url.href}`;
    if (timeout.aborted) {
      throw new BuilderError("checkout_failed", `${what} took longer than ${limits.timeMs / 1000} s to fetch`);
    }
    throw translateGitError(error, { what, token: fetch.token, goneCode: fetch.goneCode });
  }
}

async function createRepository({
  root,
  fetch,
  options,
  stop,
  signals,
}: {
  root: string;
  fetch: Fetch;
  options: GitOptions;
  stop: AbortController;
  signals: readonly AbortSignal[];
}): Promise<SimpleGit> {
  const [home, tree] = [join(root, "home"), join(root, "tree")];
  await Promise.all([mkdir(home), mkdir(tree)]);
  const environment = gitEnvironment({
    home,
    protocols: fetch.protocols,
    inherited: options.environment ?? {},
    ...(fetch.token !== undefined && { credentials: { origin: fetch.url.origin, token: fetch.token } }),
  });
  const git = simpleGit({
    baseDir: tree,
    abort: AbortSignal.any([...signals, stop.signal]),
    allowEnvironment: Object.keys(environment),
    unsafe: ourOwn,
  })
    .env(environment)
    .outputHandler(boundOutput(stop));
  const format = fetch.wanted.length === 64 ? ["--object-format=sha256"] : [];
  await git.raw(["init", "--quiet", "--template=", "--initial-branch=none", ...format]);
  return git;
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

async function fetchCommit(git: SimpleGit, { url, wanted }: Fetch, limits: CheckoutLimits) {
  const options = ["--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-auto-gc"];
  await git.raw(["fetch", ...options, "--", url.href, wanted]);
  const sha = (await git.raw(["rev-parse", "--verify", "--end-of-options", "FETCH_HEAD^{commit}"])).trim();
  if (/^[0-9a-f]{40,}$/.test(wanted) && sha !== wanted) {
    throw new BuilderError("checkout_failed", `${url.href} answered ${sha} when asked for ${wanted}`);
  }
  checkTree(await git.raw(["ls-tree", "-r", "-l", "-z", "--full-tree", sha]), limits);
  const committedAt = Number(await git.raw(["show", "-s", "--no-show-signature", "--format=%ct", sha]));
  return { sha, committedAt };
}
