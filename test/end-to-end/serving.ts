import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { inject } from "vitest";
import { askRegistry } from "../ask-registry.ts";
import { createScratch, createTestDatabase } from "../database/scratch.ts";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";

/** A server of ours as people run it, `of-builder serve`, with a GitHub, and the run's real parts around it. */
export interface Installation extends AsyncDisposable {
  readonly github: GithubServer;
  /** Of the server; stays the same over restarts. */
  readonly folder: string;
  readonly settings: Record<string, string>;
  /** Starts the server, and answers when it is ready. */
  start(): Promise<Serving>;
  /** Starts a worker, `of-builder worker`, and answers when it is ready. */
  startWorker(): Promise<Serving>;
  /** Delivers the push of a commit; answers what the server said. */
  push(serving: Serving, commit: PushedCommit): Promise<Answer>;
  /** Waits until the stack's status of a commit is final, and answers all its newest statuses as `state: description`. */
  ended(sha: string): Promise<Readonly<Record<string, string>>>;
}

interface PushedCommit {
  readonly name?: string;
  readonly sha: string;
  readonly branch?: string;
  readonly guid?: string;
  /** Unix seconds, by which pushes of a branch are told apart; that of GitHub's example where absent. */
  readonly pushedAt?: number;
}

export interface Serving {
  readonly address: string;
  readonly process: ChildProcess;
  /** Every line of its log so far. */
  readonly log: readonly Record<string, unknown>[];
  /** Waits for a line of the log, where it is given one that passes the test. */
  logged(text: string, test?: (line: Record<string, unknown>) => boolean): Promise<void>;
  /** Ends it with a signal; answers its exit code, or the signal that killed it. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<number | string>;
}

interface Answer {
  readonly status: number;
  readonly body: { accepted?: boolean; message?: string; error?: string };
}

const main = join(import.meta.dirname, "../../src/cli/main.ts");
export const owner = "Alice";

/** Makes an installation; whoever makes it disposes of it. */
export async function createInstallation(settings: Readonly<Record<string, string>> = {}): Promise<Installation> {
  const parts = new AsyncDisposableStack();
  const github = parts.use(await startGithubServer());
  const { path: folder } = parts.use(await createScratch());
  const database = parts.use(await createTestDatabase(inject("database")));
  const started: Serving[] = [];
  const all: Record<string, string> = {
    PORT: "0",
    listen_host: "127.0.0.1",
    DATABASE_URL: database.url,
    data_path: join(folder, "data"),
    BUILDKIT_HOST: inject("buildkit"),
    push_repository_url: inject("registry"),
    github_app_id: github.appId,
    github_api_url: github.apiUrl,
    secret_mount_path: join(folder, "secrets"),
    DOCKER_CONFIG: join(folder, "docker"),
    report_with: "statuses",
    report_interval: "0",
    retry_first_ms: "20",
    retry_attempts: "2",
    log_level: "debug",
    ...settings,
  };
  await mkdir(all.secret_mount_path ?? "", { recursive: true });
  await writeFile(join(folder, "secrets", "github-webhook-secret"), `${github.webhookSecret}\n`);
  await writeFile(join(folder, "secrets", "private-key"), github.privateKeyPem);
  return {
    github,
    folder,
    settings: all,
    async start() {
      const serving = await startServing("serve", all);
      started.push(serving);
      return serving;
    },
    async startWorker() {
      const serving = await startServing("worker", all);
      started.push(serving);
      return serving;
    },
    async push({ address }, { name = "fns", sha, branch, guid, pushedAt }) {
      const payload = github.pushPayload({ owner, name, sha, ...(branch && { branch }) });
      const repository = { ...(payload.repository as object), ...(pushedAt && { pushed_at: pushedAt }) };
      const delivered = { event: "push", ...(guid && { guid }) };
      const answer = await github.deliver(`${address}/github-event`, { ...payload, repository }, delivered);
      return { status: answer.status, body: (await answer.json()) as Answer["body"] };
    },
    async ended(sha) {
      const { statuses } = github;
      await statuses.until(({ latest }) => (latest(sha).get("stack-deploy")?.state ?? "pending") !== "pending");
      return Object.fromEntries(
        [...statuses.latest(sha)].map(([context, { state, description }]) => [context, `${state}: ${description}`]),
      );
    },
    async [Symbol.asyncDispose]() {
      for (const serving of started) await serving.end("SIGKILL");
      await parts.disposeAsync();
    },
  };
}

async function startServing(command: "serve" | "worker", settings: Readonly<Record<string, string>>): Promise<Serving> {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...settings };
  const child = spawn(process.execPath, [main, command], { env, stdio: ["ignore", "inherit", "pipe"] });
  const log: Record<string, unknown>[] = [];
  const waiting = new Set<() => void>();
  const lines = createInterface({ input: child.stderr });
  lines.on("line", (line) => {
    log.push(line.startsWith("{") ? JSON.parse(line) : { msg: line });
    for (const wake of waiting) wake();
  });
  const ended = once(child, "exit");
  const logged: Serving["logged"] = (text, test = () => true) =>
    new Promise<void>((resolve, reject) => {
      const fail = () => reject(new Error(`ended before it said "${text}":\n${log.map(({ msg }) => msg).join("\n")}`));
      const check = () => {
        if (!log.some((line) => String(line.msg).includes(text) && test(line))) return;
        waiting.delete(check);
        child.off("exit", fail);
        resolve();
      };
      waiting.add(check);
      child.once("exit", fail);
      check();
    });
  await logged(" is ready");
  const address = String(log.find(({ msg }) => String(msg).endsWith(" is ready"))?.address);
  return {
    address,
    process: child,
    log,
    logged,
    async end(signal) {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      const [code, killed] = await ended;
      return killed ?? code;
    },
  };
}

/** A stack of functions with Dockerfiles of their own. */
export function stackOf(dockerfiles: Readonly<Record<string, string>>): Record<string, string> {
  const names = Object.keys(dockerfiles);
  const functions = names.map((name) => `  ${name}: {lang: dockerfile, handler: ./${name}, image: ${name}:1}\n`);
  const files = names.map((name) => [`${name}/Dockerfile`, dockerfiles[name] ?? ""] as const);
  return { "stack.yml": `provider: {name: openfaas}\nfunctions:\n${functions.join("")}`, ...Object.fromEntries(files) };
}

/** What requests of POST /build have left in the server's temporary folders. */
export async function leftBodies({ folder }: Pick<Installation, "folder">): Promise<readonly string[]> {
  const paths = await readdir(join(folder, "data", "temporary"), { recursive: true });
  return paths.filter((path) => basename(path).startsWith("build-"));
}

/** The digest that the run's registry has for an image, or undefined. */
export async function digestOf(repository: string, tag: string): Promise<string | undefined> {
  const url = `http://${inject("registry")}/v2/${repository}/manifests/${tag}`;
  const answer = await askRegistry(url, { method: "HEAD" });
  return answer.headers.get("docker-content-digest") ?? undefined;
}
