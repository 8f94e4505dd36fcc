import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type GithubServer, startGithubServer } from "../test/github-server/server.ts";
import { alternate } from "./alternate.ts";
import type { RealParts } from "./real-parts.ts";
import { createRow, type Row } from "./result.ts";

const functionCount = 200;
const rounds = 5;
const owner = "bench";
const dockerfile = "FROM busybox\nWORKDIR /app\nCOPY . .\nRUN sleep 0.5 && echo ran\n";
const main = new URL("../bin/of-builder.js", import.meta.url).pathname;

type LogLine = Readonly<Record<string, unknown>>;

/**
 * From the webhook to the last status: one changed function of a repository of 200, beside the same function in a
 * repository of its own. Statuses are only logged, as GitHub's own pace would be what is measured.
 */
export async function measureMonorepo(
  parts: RealParts,
  { tell, signal }: { tell(text: string): void; signal: AbortSignal },
): Promise<Row> {
  await using github = await startGithubServer();
  await using serving = await startServing(parts, github);
  const counts = { ours: functionCount, peer: 1 };
  const prepare = async (name: "ours" | "peer") => {
    const { sha } = await github.createRepository(owner, name, { branch: "main", files: filesOf(counts[name]) });
    await serving.push(name, sha, signal);
  };
  tell(`building ${functionCount} functions for the first time`);
  await Promise.all([prepare("ours"), prepare("peer")]);
  const measure = (name: "ours" | "peer") => async (run: number) => {
    const files = { "fn0/changed.txt": `${name} ${run} ${Date.now()}` };
    const sha = await github.commit(owner, name, { branch: "main", files, message: "change" });
    const { seconds, builds } = await serving.push(name, sha, signal);
    if (builds !== 1) throw new Error(`${name}: ${builds} builds, expected 1`);
    tell(`one change among ${counts[name]}, run ${run}: ${seconds.toFixed(2)} s`);
    return seconds;
  };
  const compared = await alternate(rounds, { ours: measure("ours"), peer: measure("peer") });
  return createRow(`one change among ${functionCount} functions ÷ that one alone`, compared, { unit: "s", bar: 2 });
}

function filesOf(count: number): Record<string, string> {
  const names = Array.from({ length: count }, (_, at) => `fn${at}`);
  const functions = names.map((name) => `  ${name}: {lang: dockerfile, handler: ./${name}, image: "${name}:1"}\n`);
  const files = names.flatMap((name) => [
    [`${name}/Dockerfile`, dockerfile],
    ...Array.from({ length: 10 }, (_, at) => [`${name}/file-${at}.txt`, `${name} ${at}\n`.repeat(100)]),
  ]);
  return { "stack.yml": `provider: {name: openfaas}\nfunctions:\n${functions.join("")}`, ...Object.fromEntries(files) };
}

interface Serving extends AsyncDisposable {
  /** Delivers a push; answers how long it took to its last status, and how many builds. */
  push(name: string, sha: string, signal: AbortSignal): Promise<{ seconds: number; builds: number }>;
}

async function startServing(parts: RealParts, github: GithubServer): Promise<Serving> {
  const secrets = join(parts.folder, "secrets");
  await mkdir(secrets, { recursive: true });
  await writeFile(join(secrets, "github-webhook-secret"), github.webhookSecret);
  const settings = {
    PORT: "0",
    listen_host: "127.0.0.1",
    data_path: join(parts.folder, "service"),
    BUILDKIT_HOST: parts.buildkit,
    push_repository_url: parts.registry,
    docker_mirror: parts.registry,
    github_api_url: github.apiUrl,
    secret_mount_path: secrets,
    log_level: "debug",
  };
  const child = spawn(process.execPath, [main, "serve"], {
    env: { ...process.env, ...settings },
    stdio: ["ignore", "inherit", "pipe"],
  });
  const lines = createInterface({ input: child.stderr });
  const heard = new Set<(line: LogLine) => void>();
  lines.on("line", (text) => {
    const line: LogLine = text.startsWith("{") ? JSON.parse(text) : { msg: text };
    for (const hear of heard) hear(line);
  });
  const ended = once(child, "exit");
  const gone = ended.then((): never => {
    throw new Error("of-builder serve has ended");
  });
  gone.catch(() => undefined);
  const until = (test: (line: LogLine) => boolean, signal: AbortSignal) => {
    const line = new Promise<LogLine>((resolve, reject) => {
      const hear = (line: LogLine) => {
        if (!test(line)) return;
        heard.delete(hear);
        resolve(line);
      };
      heard.add(hear);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    return Promise.race([line, gone]);
  };
  const ready = await until(({ msg }) => msg === "of-builder is ready", AbortSignal.timeout(60_000));
  return {
    async push(name, sha, signal) {
      const commit = `${owner}/${name}@${sha.slice(0, 7)}`;
      let builds = 0;
      const count = ({ msg }: LogLine) => {
        if (msg === "build started") builds += 1;
      };
      heard.add(count);
      const told = until((line) => line.commit === commit && String(line.msg).startsWith("push ended"), signal);
      const startedAt = performance.now();
      const payload = github.pushPayload({ owner, name, sha, branch: "main" });
      await github.deliver(`${ready.address}/github-event`, payload, { event: "push" });
      const { msg } = await told;
      heard.delete(count);
      if (!String(msg).includes("successfully")) throw new Error(`${name}: ${msg}`);
      return { seconds: (performance.now() - startedAt) / 1000, builds };
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
