import { createPublicKey, generateKeyPairSync, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAppAuth, type TokenScope } from "./app-auth.ts";
import { type Checks, createCheckBoard } from "./checks.ts";
import { pushPayload, type SignedDelivery, signDelivery } from "./deliveries.ts";
import { createFaults, type PlannedFault } from "./faults.ts";
import { createHook, type Hook } from "./hook.ts";
import { createInstallations } from "./installations.ts";
import type { Limits } from "./limits.ts";
import { listen, shut } from "./listening.ts";
import type { Product } from "./openapi.ts";
import type { StoredPull, StoredRepository, World } from "./operation.ts";
import { createRegistration, type Registration } from "./registered-app.ts";
import { type Commit, type CommittedFiles, commitTo, initRepository, setRef } from "./repositories.ts";
import { serve } from "./serve.ts";
import { createStatusBoard, type StatusBoard } from "./statuses.ts";

/** A GitHub in this process: its API for one App, and its repositories over smart HTTP. */
export interface GithubServer extends AsyncDisposable {
  readonly url: string;
  /** The form of GitHub Enterprise Server: `URL/api/v3`. */
  readonly apiUrl: string;
  readonly appId: string;
  /** The installation of every account that has none of its own. */
  readonly installationId: string;
  /** Installs the App on an account by itself, before that has repositories. @returns the installation's id */
  install(account: string): string;
  /** The App's private key as GitHub's download has it (PKCS#1). */
  readonly privateKeyPem: string;
  readonly webhookSecret: string;
  readonly statuses: StatusBoard;
  readonly checks: Checks;
  /** Calls that were refused because of a limit, each with the reason. */
  readonly refusals: readonly string[];
  /** Sets limits, which nobody is held to before. */
  limit(limits: Limits): void;
  /** Lets the App do this and nothing else where it has no installation of its own. */
  grant(permissions: Readonly<Record<string, "read" | "write">>): void;
  /** Gives a repository another name, or another `OWNER/NAME`; whoever asks for the old one is sent on. */
  rename(owner: string, name: string, to: string): void;
  /** `METHOD /path` of every call of the API so far. */
  readonly calls: readonly string[];
  /** Those that were answered with 304. */
  readonly unmodified: readonly string[];
  /** Makes a repository with one commit. */
  createRepository(owner: string, name: string, options?: RepositoryOptions): Promise<Repository>;
  /** Adds a commit to a branch, and answers its name. */
  commit(owner: string, name: string, commit: Commit): Promise<string>;
  /** Opens a pull request with a commit of the repository, which lies there under `refs/pull/NUMBER/head`. */
  openPull(
    owner: string,
    name: string,
    pull: Pick<StoredPull, "number" | "sha" | "fork"> & { base?: string },
  ): Promise<void>;
  /** The App's webhook. */
  readonly hook: Hook;
  /** What GitHub has written down of the App. */
  readonly registration: Registration;
  /** Gives tokens that are good for so long from now on; an hour before. */
  limitTokens(lifeMs: number): void;
  /** Gives tokens in the form of 2026 from now on. */
  useStatelessTokens(): void;
  /** Logins of who may write to the repositories. */
  readonly writers: Set<string>;
  /** Ids of repositories that the App is not installed on. */
  readonly unselected: Set<string>;
  /** Suspends an installation of the App, by its id or else the common one, or ends that. */
  suspend(suspended: boolean, installationId?: string): void;
  /** Lets calls of the API fail that are still to come. */
  failNext(fault: PlannedFault): void;
  /** The folder that the bare repositories lie in: `OWNER/NAME.git`. */
  readonly folder: string;
  /** Gives a token without being asked over HTTP. */
  issueToken(scope: Omit<TokenScope, "installationId">): string;
  /** The tokens that it gave and that are good. */
  readonly issued: readonly TokenScope[];
  /** Forgets what broke the description so far, where a test meant to. */
  forgive(): void;
  /** Makes every token that was given worthless. */
  revokeTokens(): void;
  /** The payload of GitHub's push event. */
  pushPayload(push: PushedCommit): Record<string, unknown>;
  /** Signs a payload with the webhook's secret. */
  sign(payload: unknown, options?: { event?: string; guid?: string }): SignedDelivery;
  /** Delivers a payload to a webhook, as GitHub does. */
  deliver(address: string, payload: unknown, options?: { event?: string; guid?: string }): Promise<Response>;
  /**
   * Ends everything and removes the repositories.
   * @throws Error when a request or an answer broke GitHub's own description of its API
   */
  close(): Promise<void>;
}

export interface Repository {
  readonly owner: string;
  readonly name: string;
  readonly id: string;
  readonly cloneUrl: string;
  /** The newest commit of its default branch when it was made. */
  readonly sha: string;
}

interface RepositoryOptions {
  readonly private?: boolean;
  readonly branch?: string;
  readonly files?: CommittedFiles;
}

interface PushedCommit {
  readonly owner: string;
  readonly name: string;
  readonly sha: string;
  readonly before?: string;
  readonly branch?: string;
}

/**
 * Starts a GitHub on a free port of 127.0.0.1.
 * @param options.product whose description everything is held against; github.com's where absent
 * @param options.port the port to listen on instead, such as that of an earlier one that a server remembers
 */
export async function startGithubServer(
  options: { webhookSecret?: string; port?: number; product?: Product } = {},
): Promise<GithubServer> {
  const root = await mkdtemp(join(tmpdir(), "github-server-"));
  const { privateKey, publicKey } = newKeyPair();
  const appId = "12345";
  const webhookSecret = options.webhookSecret ?? randomUUID();
  const installations = createInstallations();
  const world: World = {
    product: options.product ?? "api.github.com",
    installations,
    auth: createAppAuth({ appId, publicKey: createPublicKey(publicKey) }),
    repositories: new Map(),
    nextRepositoryId: 186_853_002,
    statuses: createStatusBoard(),
    checks: createCheckBoard(),
    moved: new Map(),
    faults: createFaults(),
    violations: [],
    calls: [],
    unmodified: [],
    hook: createHook((payload, event) => signDelivery(payload, { ...event, secret: webhookSecret })),
    pulls: [],
    writers: new Set(),
    unselected: new Set(),
    registration: createRegistration({ appId, privateKeyPem: privateKey, webhookSecret }),
  };
  const server = createServer((request, response) => {
    serve(request, response, { world, root }).catch((error: unknown) => {
      world.violations.push(String(error));
      response.destroy();
    });
  });
  const url = await listen(server, options.port ?? 0);
  const close = once(async () => {
    await shut(server);
    await rm(root, { recursive: true, force: true, maxRetries: 5 });
    if (world.violations.length > 0) throw new Error(`GitHub's API was broken:\n${world.violations.join("\n")}`);
  });
  const sign: GithubServer["sign"] = (payload, event) => signDelivery(payload, { ...event, secret: webhookSecret });
  return {
    url,
    apiUrl: `${url}/api/v3`,
    appId,
    installationId: installations.common.id,
    install: (account) => installations.add(account).id,
    privateKeyPem: privateKey,
    webhookSecret,
    statuses: world.statuses,
    checks: world.checks,
    refusals: installations.refusals,
    limit(limits) {
      installations.limits = limits;
    },
    grant(permissions) {
      installations.common.granted = permissions;
    },
    rename(owner, name, to) {
      const [newName = "", newOwner = owner] = to.split("/").reverse();
      const repository = repositoryOf(world, owner, name);
      world.repositories.delete(`${owner}/${name}`.toLowerCase());
      const { id: installationId } = world.installations.ofAccount(newOwner);
      const renamed = { ...repository, owner: newOwner, name: newName, installationId };
      world.repositories.set(`${newOwner}/${newName}`.toLowerCase(), renamed);
      world.moved.set(`${owner}/${name}`.toLowerCase(), repository.id);
    },
    calls: world.calls,
    unmodified: world.unmodified,
    createRepository: (owner, name, repository = {}) =>
      addRepository({ world, root, url }, { owner, name, ...repository }),
    commit(owner, name, commit) {
      const { folder, defaultBranch } = repositoryOf(world, owner, name);
      return commitTo(folder, { branch: defaultBranch, ...commit });
    },
    async openPull(owner, name, { base, ...pull }) {
      const { folder, defaultBranch } = repositoryOf(world, owner, name);
      await setRef(folder, { ref: `refs/pull/${pull.number}/head`, sha: pull.sha });
      const known = world.pulls.findIndex(({ number }) => number === pull.number);
      if (known >= 0) world.pulls.splice(known, 1);
      const repository = `${owner}/${name}`.toLowerCase();
      world.pulls.push({ ...pull, repository, base: base ?? defaultBranch, updatedAt: new Date() });
    },
    hook: world.hook,
    registration: world.registration,
    limitTokens(lifeMs) {
      world.auth.lifeMs = lifeMs;
    },
    useStatelessTokens() {
      world.auth.isStateless = true;
    },
    writers: world.writers,
    unselected: world.unselected,
    suspend(suspended, id = installations.common.id) {
      const installation = installations.find(id);
      if (installation) installation.suspendedAt = suspended ? new Date() : undefined;
    },
    failNext: (fault) => world.faults.plan(fault),
    folder: root,
    issueToken: (scope) => world.auth.issue({ ...scope, installationId: installations.common.id }).text,
    get issued() {
      return world.auth.tokens;
    },
    forgive: () => void world.violations.splice(0),
    revokeTokens: () => world.auth.revokeAll(),
    pushPayload({ owner, name, ...commit }) {
      return pushPayload({ ...repositoryOf(world, owner, name), ...commit, url });
    },
    sign,
    deliver: (address, payload, event) => fetch(address, { method: "POST", ...copy(sign(payload, event)) }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function addRepository(
  { world, root, url }: { world: World; root: string; url: string },
  { owner, name, branch = "master", files = { "README.md": "# new\n" }, ...rest }: RepositoryOptions & PlaceName,
): Promise<Repository> {
  const folder = join(root, owner, `${name}.git`);
  const id = String(world.nextRepositoryId++);
  await initRepository(folder, branch);
  const sha = await commitTo(folder, { branch, files, message: "first" });
  const installationId = world.installations.ofAccount(owner).id;
  const stored: StoredRepository = {
    id,
    installationId,
    owner,
    name,
    private: rest.private ?? false,
    defaultBranch: branch,
    folder,
  };
  world.repositories.set(`${owner}/${name}`.toLowerCase(), stored);
  return { owner, name, id, sha, cloneUrl: `${url}/${owner}/${name}.git` };
}

interface PlaceName {
  readonly owner: string;
  readonly name: string;
}

function repositoryOf(world: World, owner: string, name: string): StoredRepository {
  const repository = world.repositories.get(`${owner}/${name}`.toLowerCase());
  if (!repository) throw new Error(`there is no repository ${owner}/${name}`);
  return repository;
}

function newKeyPair() {
  return generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
  });
}

function copy({ headers, body }: SignedDelivery) {
  return { headers: { ...headers }, body: new Uint8Array(body) };
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= work();
    return done;
  };
}
