import { createPublicKey, generateKeyPairSync, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isReadable, type StoredRepository, serveApi, type World } from "./api.ts";
import { createAppAuth, type TokenScope } from "./app-auth.ts";
import { pushPayload, type SignedDelivery, signDelivery } from "./deliveries.ts";
import { createFaults, type PlannedFault } from "./faults.ts";
import { type Commit, type CommittedFiles, commitTo, initRepository, serveGit } from "./repositories.ts";
import { createStatusBoard, type Statuses } from "./statuses.ts";

/** A GitHub in this process: its API for one App, and its repositories over smart HTTP. */
export interface GithubServer extends AsyncDisposable {
  readonly url: string;
  /** The form of GitHub Enterprise Server: `URL/api/v3`. */
  readonly apiUrl: string;
  readonly appId: string;
  readonly installationId: string;
  /** The App's private key as GitHub's download has it (PKCS#1). */
  readonly privateKeyPem: string;
  readonly webhookSecret: string;
  readonly statuses: Statuses;
  /** `METHOD /path` of every call of the API so far. */
  readonly calls: readonly string[];
  /** Makes a repository with one commit. */
  createRepository(owner: string, name: string, options?: RepositoryOptions): Promise<Repository>;
  /** Adds a commit to a branch, and answers its name. */
  commit(owner: string, name: string, commit: Commit): Promise<string>;
  /** Lets calls of the API fail that are still to come. */
  failNext(fault: PlannedFault): void;
  /** The folder that the bare repositories lie in: `OWNER/NAME.git`. */
  readonly folder: string;
  /** Gives a token without being asked over HTTP. */
  issueToken(scope: TokenScope): string;
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
 * @param options.port the port to listen on instead, such as that of an earlier one that a server remembers
 */
export async function startGithubServer(
  options: { webhookSecret?: string; port?: number } = {},
): Promise<GithubServer> {
  const root = await mkdtemp(join(tmpdir(), "github-server-"));
  const { privateKey, publicKey } = newKeyPair();
  const appId = "12345";
  const webhookSecret = options.webhookSecret ?? randomUUID();
  const world: World = {
    installationId: "1087",
    auth: createAppAuth({ appId, publicKey: createPublicKey(publicKey) }),
    repositories: new Map(),
    statuses: createStatusBoard(),
    faults: createFaults(),
    violations: [],
    calls: [],
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
    installationId: world.installationId,
    privateKeyPem: privateKey,
    webhookSecret,
    statuses: world.statuses,
    calls: world.calls,
    createRepository: (owner, name, repository = {}) =>
      addRepository({ world, root, url }, { owner, name, ...repository }),
    commit(owner, name, commit) {
      const { folder, defaultBranch } = repositoryOf(world, owner, name);
      return commitTo(folder, { branch: defaultBranch, ...commit });
    },
    failNext: (fault) => world.faults.plan(fault),
    folder: root,
    issueToken: (scope) => world.auth.issue(scope).text,
    forgive: () => void world.violations.splice(0),
    revokeTokens: () => world.auth.revokeAll(),
    pushPayload({ owner, name, ...commit }) {
      return pushPayload({ ...repositoryOf(world, owner, name), ...commit, url, installationId: world.installationId });
    },
    sign,
    deliver: (address, payload, event) => fetch(address, { method: "POST", ...copy(sign(payload, event)) }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { world, root }: { world: World; root: string },
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  if (pathname.startsWith("/api/v3/")) return serveApi(request, response, { path: pathname.slice(7), world });
  const [, owner, name] = /^\/([^/]+)\/([^/]+)\.git\//.exec(pathname) ?? [];
  const repository = world.repositories.get(`${owner}/${name}`.toLowerCase());
  const { authorization } = request.headers;
  if (repository && isReadable(world, repository, { authorization, permission: "contents" })) {
    return serveGit(request, response, { root, path: pathname, query: searchParams.toString() });
  }
  // GitHub asks whoever has no right for credentials, so that nobody learns what exists.
  response.writeHead(401, { "www-authenticate": 'Basic realm="GitHub"' }).end("Repository not found.");
}

async function addRepository(
  { world, root, url }: { world: World; root: string; url: string },
  { owner, name, branch = "master", files = { "README.md": "# new\n" }, ...rest }: RepositoryOptions & PlaceName,
): Promise<Repository> {
  const folder = join(root, owner, `${name}.git`);
  const id = String(186_853_002 + world.repositories.size);
  await initRepository(folder, branch);
  const sha = await commitTo(folder, { branch, files, message: "first" });
  const stored: StoredRepository = { id, owner, name, private: rest.private ?? false, defaultBranch: branch, folder };
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

async function listen(server: Server, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function shut(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= work();
    return done;
  };
}
