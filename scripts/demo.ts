import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { askRegistry } from "../test/ask-registry.ts";
import { type GithubServer, startGithubServer } from "../test/github-server/server.ts";
import type { PostedStatus } from "../test/github-server/statuses.ts";
import { callImage } from "./run-image.ts";

/*
 * The main job, for real: a signed push comes from a GitHub in this process, of-builder fetches the commit over smart
 * HTTP, builds its three functions with BuildKit, pushes them to a registry and reports; one image is run. Then a
 * second push breaks one Dockerfile.
 */

const root = fileURLToPath(new URL("../", import.meta.url));
const keep = process.argv.includes("--keep");
const color = process.stdout.isTTY === true && !process.env.NO_COLOR;
const owner = "acme";
const name = "functions";
const branch = "main";
const contexts = ["hello", "shout", "stamp"];

process.exitCode = await demo();

async function demo(): Promise<number> {
  const data = await mkdtemp(join(tmpdir(), "of-builder-demo-"));
  // PostgreSQL does not run as root: its own user has to get in.
  await chmod(data, 0o711);
  await using github = await startGithubServer();
  let server: ChildProcess | undefined;
  try {
    await createRepositories(github);
    const startedMs = Date.now();
    title("Starting BuildKit, a registry, PostgreSQL and of-builder");
    server = await startDev(github, data);
    const ready = await readyFile(server, join(data, "ready.json"));
    say(`  ${mark("success")} ready in ${seconds(startedMs)}   ${ready.server}`);
    const bad = await tellStory(github, ready);
    if (keep) await stayUp(server, ready);
    return bad ? 1 : 0;
  } finally {
    if (server) await stop(server);
    await rm(data, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface Ready {
  readonly server: string;
  readonly registry: string;
  readonly buildkit: string;
}

/** @returns whether something was not as it should be */
async function tellStory(github: GithubServer, ready: Ready): Promise<boolean> {
  title("git push: three functions, one of them from a template repository");
  const first = await push(github, ready, await newestCommit(github));
  title("Running an image: the function shout, asked for HELLO");
  const answer = await callImage(first.images.get("shout") ?? "", { body: "hello, world" });
  say(`  ${mark("success")} POST "hello, world" -> "${answer.trim()}"`);
  title("git push: a commit that breaks the Dockerfile of stamp");
  const second = await push(github, ready, await commitBroken(github));
  await summarise(ready, { first, second, statuses: github.statuses.all });
  const right =
    answer.trim() === "HELLO, WORLD" &&
    ends(first) === "success success success" &&
    ends(second) === "success success failure";
  if (!right) say(`\n${mark("failure")} this is not what should have happened`);
  return !right;
}

interface Pushed {
  readonly sha: string;
  readonly last: ReadonlyMap<string, PostedStatus>;
  readonly images: ReadonlyMap<string, string>;
  readonly seconds: ReadonlyMap<string, number>;
}

async function push(github: GithubServer, { server }: Ready, sha: string): Promise<Pushed> {
  const times = new Map<string, number>();
  const seconds = new Map<string, number>();
  const listen = github.statuses.onStatus((status) => {
    const { context, state } = status;
    if (state === "pending" && !times.has(context)) times.set(context, Date.now());
    else seconds.set(context, (Date.now() - (times.get(context) ?? Date.now())) / 1000);
    say(`  ${mark(state)} ${context.padEnd(12)} ${status.description}`);
  });
  try {
    const delivered = await github.deliver(`${server}/github-event`, github.pushPayload({ owner, name, sha, branch }));
    const { message } = (await delivered.json()) as { message: string };
    say(`  ${delivered.status} ${message}`);
    const stateOf = (context: string) => github.statuses.latest(sha).get(context)?.state ?? "pending";
    await github.statuses.until(() => stateOf("stack-deploy") !== "pending");
    // GitHub may have shown the stack's end first, where it refused a function's for a moment.
    const allEnded = github.statuses.until(() => contexts.every((context) => stateOf(context) !== "pending"));
    await Promise.race([allEnded, sleep(30_000, undefined, { ref: false })]);
  } finally {
    listen();
  }
  const last = github.statuses.latest(sha);
  const images = [...github.statuses.all].flatMap((status) => {
    const image = /image:? (\S+)/.exec(status.description)?.[1];
    return status.sha === sha && image ? [[status.context, image] as const] : [];
  });
  return { sha, last, images: new Map(images), seconds };
}

function ends({ last }: Pushed): string {
  return contexts.map((context) => last.get(context)?.state).join(" ");
}

async function summarise(
  ready: Ready,
  { first, second, statuses }: { first: Pushed; second: Pushed; statuses: readonly PostedStatus[] },
) {
  title("Summary");
  for (const pushed of [first, second]) {
    say(`  commit ${pushed.sha.slice(0, 7)}`);
    for (const context of contexts) {
      const { state = "error", description = "" } = pushed.last.get(context) ?? {};
      const image = pushed.images.get(context) ?? "";
      const shown = state === "success" ? `${image}\n${" ".repeat(20)}@${await digestOf(image)}` : description;
      say(`    ${mark(state)} ${context.padEnd(7)} ${(pushed.seconds.get(context) ?? 0).toFixed(1)}s  ${shown}`);
    }
  }
  const counts = ["pending", "success", "failure", "error"].map(
    (state) => `${statuses.filter((status) => status.state === state).length} ${state}`,
  );
  say(`  statuses at GitHub: ${counts.join(", ")}`);
  say(`  webhook address: ${ready.server}/github-event`);
}

async function digestOf(image: string): Promise<string> {
  const [, host = "", repository = "", tag = ""] = /^([^/]+)\/(.+):([^:]+)$/.exec(image) ?? [];
  const answer = await askRegistry(`http://${host}/v2/${repository}/manifests/${tag}`, { method: "HEAD" });
  return answer.headers.get("docker-content-digest") ?? "not in the registry";
}

/** The functions are this repository's examples; their template comes from a repository of its own. */
async function createRepositories(github: GithubServer): Promise<void> {
  const template = await readFiles("template");
  const functions = { "stack.yml": await readFile(join(root, "stack.yml"), "utf8"), ...(await readFiles("examples")) };
  await github.createRepository("acme", "templates", { files: template, branch });
  await github.createRepository(owner, name, { files: functions, branch });
}

async function readFiles(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
  return Object.fromEntries(
    await Promise.all(files.map(async (file) => [file, await readFile(join(root, file), "utf8")] as const)),
  );
}

async function newestCommit(github: GithubServer): Promise<string> {
  return github.commit(owner, name, {
    files: { "README.md": "Three functions.\n" },
    message: "Say what this is",
    branch,
  });
}

async function commitBroken(github: GithubServer): Promise<string> {
  const dockerfile = await readFile(join(root, "examples/stamp/Dockerfile"), "utf8");
  const files = { "examples/stamp/Dockerfile": dockerfile.replace("echo", "ecko") };
  return github.commit(owner, name, { files, message: "Break stamp", branch });
}

async function startDev(github: GithubServer, data: string): Promise<ChildProcess> {
  const secrets = join(data, "secrets");
  await mkdir(secrets, { mode: 0o700 });
  await writeFile(join(secrets, "github-webhook-secret"), github.webhookSecret);
  await writeFile(join(secrets, "private-key"), github.privateKeyPem);
  const settings = {
    github_app_id: github.appId,
    // What the terminal shows is one line of each, and this GitHub asks for no pause between them.
    report_with: "statuses",
    report_interval: "0",
    github_api_url: github.apiUrl,
    secret_mount_path: secrets,
    custom_templates: `${github.url}/acme/templates.git`,
  };
  const args = [
    join(root, "bin/of-builder.js"),
    "dev",
    "--port",
    "0",
    "--data",
    join(data, "dev"),
    "--ready-file",
    join(data, "ready.json"),
  ];
  // A process group of its own: Ctrl-C reaches the demo, which then stops it in good order.
  return spawn(process.execPath, args, {
    env: { ...process.env, ...settings },
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
  });
}

async function readyFile(server: ChildProcess, file: string): Promise<Ready> {
  let told = "";
  server.stderr?.on("data", (chunk: Buffer) => {
    told = `${told}${chunk}`.slice(-4000);
  });
  while (server.exitCode === null) {
    if (await exists(file)) return JSON.parse(await readFile(file, "utf8")) as Ready;
    await sleep(50);
  }
  throw new Error(`of-builder dev ended with ${server.exitCode}:\n${told}`);
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

async function stayUp(server: ChildProcess, { server: address, registry, buildkit }: Ready): Promise<void> {
  title("Everything stays up until Ctrl-C. In another terminal:");
  say(`  curl ${address}/ready`);
  say(`  curl http://${registry}/v2/_catalog`);
  say(`  BUILDKIT_HOST=${buildkit} npx of-builder build`);
  const interrupted = ["SIGINT", "SIGTERM"].map((signal) => once(process, signal));
  await Promise.race([...interrupted, once(server, "exit")]);
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return;
  const ended = once(server, "exit");
  server.kill("SIGTERM");
  await ended;
}

function say(text: string): void {
  console.log(text);
}

function title(text: string): void {
  say(`\n${color ? `\x1b[1m${text}\x1b[0m` : text}`);
}

function mark(state: string): string {
  const [sign, code] = { success: ["✔", 32], failure: ["✖", 31], error: ["✖", 31] }[state] ?? ["·", 90];
  return color ? `\x1b[${code}m${sign}\x1b[0m` : String(sign);
}

function seconds(sinceMs: number): string {
  return `${((Date.now() - sinceMs) / 1000).toFixed(1)} s`;
}
