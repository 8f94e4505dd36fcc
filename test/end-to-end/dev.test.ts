import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { access, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { createScratch, eventually, isAlive } from "../database/scratch.ts";

const run = promisify(execFile);
const parts = new AsyncDisposableStack();
const { path: folder } = parts.use(await createScratch());
const started = new Set<ChildProcess>();
afterAll(async () => {
  for (const child of started) child.kill("SIGKILL");
  await parts.disposeAsync();
});

const root = join(import.meta.dirname, "../..");

interface Ready {
  readonly server: string;
  readonly registry: string;
  readonly buildkit: string;
  readonly database: string;
  readonly data: string;
  readonly pid: number;
}

/** `of-builder dev`, as a person starts it. */
async function startDev(
  name: string,
  env: Record<string, string> = {},
): Promise<{ ready: Ready; child: ChildProcess }> {
  const readyFile = join(folder, `${name}.json`);
  await rm(readyFile, { force: true });
  const args = [
    join(root, "bin/of-builder.js"),
    "dev",
    "--port",
    "0",
    "--data",
    join(folder, name),
    "--ready-file",
    readyFile,
  ];
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, HOME: folder, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  started.add(child);
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => said.push(chunk));
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`dev ended with ${child.exitCode}:\n${Buffer.concat(said)}`);
    return access(readyFile).then(
      () => true,
      () => false,
    );
  });
  return { ready: JSON.parse(await readFile(readyFile, "utf8")), child };
}

async function end(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): Promise<unknown[]> {
  const ended = once(child, "exit");
  child.kill(signal);
  return ended;
}

/** Command lines of processes that work on a folder. */
async function processesOn(path: string): Promise<string[]> {
  const { stdout } = await run("ps", ["-eo", "args"]);
  return stdout.split("\n").filter((line) => line.includes(path) && !line.startsWith("ps "));
}

async function build(ready: Ready, repository: string): Promise<Record<string, unknown>> {
  const name = repository.replaceAll("/", "-");
  const script = `mkdir -p ${name}/context && cd ${name} && echo '{"Ref": "${ready.registry}/${repository}"}' > config &&
    printf 'FROM busybox\\nRUN echo hello > /hello\\n' > context/Dockerfile && tar cf - config context | curl -s ${ready.server}/build -X POST --data-binary @-`;
  return JSON.parse((await run("sh", ["-c", script], { cwd: folder })).stdout);
}

test("two at once with different folders do not meet, and each leaves nothing running", async () => {
  const [one, two] = await Promise.all([startDev("one"), startDev("two")]);
  expect(one.ready.data).toBe(join(folder, "one"));
  for (const part of ["server", "registry", "buildkit", "database"] as const)
    expect(one.ready[part]).not.toBe(two.ready[part]);
  expect(await build(one.ready, "a/b:1")).toMatchObject({ status: "success" });
  expect(await build(two.ready, "a/c:1")).toMatchObject({ status: "success" });
  const catalog = async ({ registry }: Ready) =>
    (await (await fetch(`http://${registry}/v2/_catalog`)).json()) as { repositories: string[] };
  expect((await catalog(one.ready)).repositories).toEqual(["a/b", "library/busybox"]);
  expect((await catalog(two.ready)).repositories).toEqual(["a/c", "library/busybox"]);

  expect(await end(one.child, "SIGTERM")).toEqual([0, null]);
  expect(await processesOn(join(folder, "one"))).toEqual([]);
  expect((await fetch(`${two.ready.server}/ready`)).status).toBe(200);
  expect(await end(two.child, "SIGTERM")).toEqual([0, null]);
  expect(await processesOn(join(folder, "two"))).toEqual([]);
});

test("one that is killed starts again on its folder, with the images it had", async () => {
  const first = await startDev("killed");
  expect(await build(first.ready, "a/kept:1")).toMatchObject({ status: "success" });
  await end(first.child, "SIGKILL");
  const second = await startDev("killed");
  expect(isAlive(first.ready.pid)).toBe(false);
  const tags = await (await fetch(`http://${second.ready.registry}/v2/a/kept/tags/list`)).json();
  expect(tags).toEqual({ name: "a/kept", tags: ["1"] });
  expect(await build(second.ready, "a/more:1")).toMatchObject({ status: "success" });
  expect(await end(second.child, "SIGTERM")).toEqual([0, null]);
  expect(await processesOn(join(folder, "killed"))).toEqual([]);
});

test("what is missing is named with the command that installs it", async () => {
  const args = [join(root, "src/cli/main.ts"), "dev", "--port", "0", "--data", join(folder, "missing")];
  const env = { PATH: "/nowhere", HOME: folder, BUILDKIT_HOST: "tcp://127.0.0.1:1", PORT: "x" };
  const wrong = run(process.execPath, [...args.slice(0, 3), "x"], { env });
  await expect(wrong).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('PORT="x": expected a whole number'),
  });
});
