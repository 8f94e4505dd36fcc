import { join } from "node:path";
import type { Log } from "../log.ts";
import { parseAddress } from "./git-address.ts";
import type { GitWorld } from "./git-environment.ts";
import { checkLocalRepository } from "./local-repository.ts";
import { createMirrors } from "./mirrors.ts";
import { type Checkout, type CheckoutWorld, openCheckout } from "./open-checkout.ts";
import { readRemoteHead } from "./remote-head.ts";
import { createSpareTrees, type SpareLimits } from "./spare-trees.ts";
import { createTemplateCheckout } from "./template-checkout.ts";
import { type CheckoutLimits, defaultLimits } from "./tree-bounds.ts";
import { parseWanted, wantedCommit } from "./wanted.ts";

/** Disposing of it removes what it kept of files; what it fetched stays kept. */
export interface Git extends AsyncDisposable {
  /**
   * Fetches exactly one commit.
   * @param token for a private repository; it is in no address, argument, log or error
   * @throws BuilderError `commit_gone`, `checkout_failed`, `context_invalid` (too large), `name_invalid`, `tool_missing`
   */
  checkout(want: { url: string; sha: string; token?: string }, options: { signal: AbortSignal }): Promise<Checkout>;
  /**
   * Asks what a ref stands for now.
   * @param want.ref its full name, such as `refs/heads/main`
   * @returns its commit; of a tag that is an object of its own that object and its commit; none where there is no such ref
   * @throws BuilderError `checkout_failed`, `name_invalid`, `tool_missing`
   */
  headOf(
    want: { url: string; ref: string; token?: string },
    options: { signal: AbortSignal },
  ): Promise<readonly string[]>;
  /**
   * Fetches templates: the newest commit of a branch or tag, or a given commit. What was fetched a short while ago, or
   * cannot be fetched now, is taken from what is kept.
   * @param want.url may end in `#REF`
   * @param want.ref see parseWanted; absent: the address's own, else the default branch
   * @throws BuilderError as above, `template_unknown` where there is no such ref, `path_forbidden` for a repository of this
   *   disk that leads out of itself, or belongs to another user
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
  /** Where to keep what was fetched, so that the next fetch is cheap. Absent, or 0 bytes: nothing is kept. */
  readonly kept?: { readonly folder: string; readonly maxBytes: number };
  /** Whether the files of a checkout wait for the next one of its repository, which writes only what differs then. */
  readonly reuseFiles?: boolean;
  /** How long a template's branch or tag counts as what it was. */
  readonly templateRefreshMs?: number;
}

const spareLimits: SpareLimits = { maxTrees: 16, maxFiles: 100_000, maxBytes: 512 * 1024 ** 2 };

/**
 * Creates the way to git repositories: the system's git, cut off from everything that could make it run or fetch
 * something else (git-environment.ts), bounded in time, bytes and files.
 */
export function createGit(options: GitOptions): Git {
  const { temporaryFolder, log, templateRefreshMs = 0 } = options;
  const overNetwork = options.allowHttp ? ["https", "http"] : ["https"];
  const fromOperator = options.allowHttp ? [...overNetwork, "file"] : overNetwork;
  const common = {
    temporaryFolder,
    inherited: options.environment ?? {},
    limits: { ...defaultLimits, ...options.limits },
    log,
  };
  const spares = () => (options.reuseFiles ? { spares: createSpareTrees(spareLimits) } : {});
  // Apart: what a token opened for a push is no template, and many pushes drive out no templates.
  const pushes: CheckoutWorld = {
    ...common,
    protocols: overNetwork,
    goneCode: "commit_gone",
    mirrors: mirrorsOf(options, "repositories"),
    ...spares(),
  };
  const templates: CheckoutWorld = {
    ...common,
    protocols: fromOperator,
    goneCode: "template_unknown",
    mirrors: mirrorsOf(options, "templates"),
    ...spares(),
  };
  const openTemplates = createTemplateCheckout(templates, { refreshMs: templateRefreshMs });
  return {
    async checkout({ url, sha, token }, { signal }) {
      const address = parseAddress(url, overNetwork).url;
      const fetch = { url: address, wanted: wantedCommit(sha), token, protocols: overNetwork };
      return openCheckout(pushes, fetch, signal);
    },
    async headOf({ url, ref, token }, { signal }) {
      const asked = { url: parseAddress(url, overNetwork).url, ref, token, protocols: overNetwork };
      return readRemoteHead(asked, { ...common, signal });
    },
    async checkoutRef({ url, ref }, { signal }) {
      const { url: address, fragment } = parseAddress(url, fromOperator);
      const wanted = parseWanted(ref ?? fragment);
      const isLocal = address.protocol === "file:";
      const source = isLocal ? await checkLocalRepository(address, { ...common, signal }) : address;
      return openTemplates({ url: source, wanted, protocols: fromOperator }, signal);
    },
    async [Symbol.asyncDispose]() {
      for (const world of [pushes, templates]) await world.spares?.[Symbol.asyncDispose]();
    },
  };
}

function mirrorsOf({ kept }: GitOptions, name: string) {
  if (kept === undefined || kept.maxBytes === 0) return undefined;
  return createMirrors({ folder: join(kept.folder, name), maxBytes: kept.maxBytes });
}
