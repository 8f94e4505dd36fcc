import { BuilderError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { GitWorld } from "./git-environment.ts";
import { translateGitError } from "./git-error.ts";
import type { Mirror, Mirrors } from "./mirrors.ts";
import {
  createRepository,
  type Fetch,
  fetchAbbreviated,
  fetchCommit,
  isWhole,
  packsOf,
  type Repository,
  removeDotGit,
  removeRepository,
  type WrittenTree,
  writeTree,
} from "./repository.ts";
import type { SpareTrees } from "./spare-trees.ts";
import type { CheckoutLimits } from "./tree-bounds.ts";

/** The files of one commit in a folder of their own, without git's own folder. Disposing of it removes them. */
export interface Checkout extends AsyncDisposable {
  readonly folder: string;
  readonly sha: string;
  /** Unix seconds. */
  readonly committedAt: number;
  readonly message: string;
}

/** What all checkouts of one kind have in common. */
export interface CheckoutWorld {
  readonly temporaryFolder: string;
  readonly inherited: GitWorld["inherited"];
  readonly limits: CheckoutLimits;
  readonly protocols: readonly string[];
  /** The code for a commit or ref that the server does not have. */
  readonly goneCode: "commit_gone" | "template_unknown";
  /** Absent: nothing is kept for the next time. */
  readonly mirrors: Mirrors | undefined;
  /** Absent: the files of each checkout go with it. */
  readonly spares?: SpareTrees;
  readonly log: Log;
}

type Work<T> = (repository: Repository, mirror: Mirror | undefined) => Promise<T>;

/**
 * Opens a checkout, with a mirror's help where there is one. A commit that a mirror holds needs no server.
 * @throws BuilderError the world's `goneCode`, `checkout_failed`, `context_invalid` (too large), `tool_missing`
 */
export async function openCheckout(world: CheckoutWorld, fetch: Fetch, signal: AbortSignal): Promise<Checkout> {
  const mirror = await world.mirrors?.find(fetch.url.href);
  try {
    return await openFrom(mirror, { world, fetch, signal });
  } catch (error) {
    if (!(error instanceof BrokenMirror) || !mirror) throw error;
    world.log.warn(
      { url: fetch.url.href },
      `what was kept of a repository is broken and thrown away: ${error.message}`,
    );
    await world.mirrors?.discard(mirror);
    return openFrom(undefined, { world, fetch, signal });
  }
}

/**
 * Finds the commit that an abbreviation means.
 * @throws BuilderError as openCheckout
 */
export async function findAbbreviated(world: CheckoutWorld, fetch: Fetch, signal: AbortSignal): Promise<string> {
  return inRepository({ world, fetch, signal }, async (repository) => {
    const commit = await fetchAbbreviated(repository, fetch);
    await removeRepository(repository, { mayRun: false });
    return commit;
  });
}

interface Task {
  readonly world: CheckoutWorld;
  readonly fetch: Fetch;
  readonly signal: AbortSignal;
}

class BrokenMirror extends Error {
  override readonly name = "BrokenMirror";
}

async function openFrom(mirror: Mirror | undefined, task: Task): Promise<Checkout> {
  const { world, fetch } = task;
  const { commit } = fetch.wanted;
  const known = mirror?.commits.includes(commit ?? "") ? commit : undefined;
  // Nothing is borrowed of a full mirror but what is wanted: the packs of this fetch begin the next one.
  const lender = mirror?.full && known === undefined ? undefined : mirror;
  return inRepository({ ...task, lender }, async (repository) => {
    const sha = known ?? (await fetchCommit(repository, fetch).catch((error) => brokenOr(error, repository, lender)));
    const written = await writeTree(repository, sha).catch((error) => {
      throw lender && !(error instanceof BuilderError) ? new BrokenMirror(messageOf(error)) : error;
    });
    if (known === undefined) await publish(repository, { world, fetch, sha, base: mirror });
    await removeDotGit(repository, { keepIndex: world.spares !== undefined });
    world.log.info({ url: fetch.url.href, sha }, "checked out");
    const leave = leaving(repository, written, task);
    const { committedAt, message } = written;
    return { folder: repository.tree, sha, committedAt, message, [Symbol.asyncDispose]: leave };
  });
}

/** What ends a checkout, once: its files wait for the next one, or go. */
function leaving({ root }: Repository, { files, bytes, attributes }: WrittenTree, { world, fetch }: Task) {
  let left: Promise<void> | undefined;
  return () => {
    left ??= world.spares
      ? world.spares.give(spareName(fetch), { root, files, bytes, attributes })
      : removeRepository({ root }, { mayRun: false });
    return left;
  };
}

/** Commits of 40 and of 64 digits have indexes of different forms. */
function spareName({ url, wanted }: Fetch): string {
  return `${wanted.commit?.length} ${url.href}`;
}

/** A mirror that has lost something makes git fail in many ways, some of which sound like the server's. */
async function brokenOr(error: unknown, repository: Repository, lender: Mirror | undefined): Promise<never> {
  if (lender && !(error instanceof BuilderError) && !(await isWhole(repository))) {
    throw new BrokenMirror(messageOf(error));
  }
  throw error;
}

/** What is kept only saves time: no fault of it is the checkout's. */
async function publish(
  repository: Repository,
  { world, fetch, sha, base }: { world: CheckoutWorld; fetch: Fetch; sha: string; base: Mirror | undefined },
): Promise<void> {
  try {
    await world.mirrors?.publish(fetch.url.href, { packs: packsOf(repository), commit: sha, base });
  } catch (error) {
    world.log.warn({ url: fetch.url.href }, `nothing is kept of a repository: ${messageOf(error)}`);
  }
}

/** Works in a repository of its own, within the limit of time; of work that fails nothing stays. */
async function inRepository<T>(
  { world, fetch, signal, lender }: Task & { lender?: Mirror | undefined },
  work: Work<T>,
) {
  signal.throwIfAborted();
  const timeout = AbortSignal.timeout(world.limits.timeMs);
  const { temporaryFolder, inherited, limits } = world;
  const either = AbortSignal.any([signal, timeout]);
  const what = `${fetch.wanted.shown} of ${fetch.url.href}`;
  const translate = (error: unknown) => {
    if (signal.aborted) return signal.reason;
    if (timeout.aborted) {
      return new BuilderError("checkout_failed", `${what} took longer than ${limits.timeMs / 1000} s to fetch`);
    }
    if (error instanceof BrokenMirror) return error;
    return translateGitError(error, { what, token: fetch.token, goneCode: world.goneCode });
  };
  const spare = world.spares?.take(spareName(fetch));
  const setting = { fetch, temporaryFolder, inherited, limits, mirror: lender, spare };
  const repository = await createRepository(setting, either).catch((error) => {
    throw translate(error);
  });
  try {
    return await work(repository, lender);
  } catch (error) {
    const { stop } = repository;
    await removeRepository(repository, { mayRun: either.aborted || stop.signal.aborted });
    throw stop.signal.aborted && !either.aborted ? stop.signal.reason : translate(error);
  }
}
