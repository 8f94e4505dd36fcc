import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, inject, test } from "vitest";
import { buildkitdConfig, startBuildkitd } from "../../src/parts/buildkitd.ts";
import { findProgram } from "../../src/parts/find-program.ts";
import { mountsBelow } from "../../src/parts/leftovers.ts";
import { isRunning, log, makeFolder, processesWith, until } from "./scratch.ts";

const run = promisify(execFile);
const signal = AbortSignal.timeout(110_000);
const path = process.env.PATH ?? "";
const first = [resolve(".tools/bin")];
const [binary = "", buildctl = "", runc = "", rootlesskit = ""] = await Promise.all(
  ["buildkitd", "buildctl", "runc", "rootlesskit"].map((name) => findProgram(name, { path, first })),
);
const isRoot = process.getuid?.() === 0;
const rootless = isRoot ? {} : { rootlesskit };

function start(folder: string) {
  const mirror = inject("registry");
  return startBuildkitd({ ...rootless, binary, runc, folder, mirror, insecureRegistries: [mirror], log, signal });
}

async function buildArgs(address: string, folder: string, dockerfile: string): Promise<string[]> {
  const context = join(folder, "context");
  await mkdir(context, { recursive: true });
  await writeFile(join(context, "Dockerfile"), dockerfile);
  const frontend = ["--frontend", "dockerfile.v0", "--local", `context=${context}`, "--local", `dockerfile=${context}`];
  return ["--addr", address, "build", "--progress", "plain", ...frontend];
}

test("it builds FROM busybox by its mirror, and leaves no process, mount or socket when it is stopped", async () => {
  await using scratch = await makeFolder();
  const folder = join(scratch.folder, "state");
  const buildkitd = await start(folder);
  const args = await buildArgs(buildkitd.address, scratch.folder, "FROM busybox\nRUN id -u > /who\n");
  const { stderr } = await run(buildctl, args);
  expect(stderr).toContain("RUN id -u");
  await buildkitd.stop();
  expect(await processesWith(scratch.folder)).toEqual([]);
  expect(await mountsBelow(folder)).toEqual([]);
  // Rootless, some of its folders belong to ids that only it may enter.
  const { stdout } = await run("sh", ["-c", 'find "$0" -type s 2>/dev/null || true', folder]);
  expect(stdout).toBe("");
});

test("two in folders of their own do not meet", async () => {
  await using scratch = await makeFolder();
  await using one = await start(join(scratch.folder, "one"));
  await using other = await start(join(scratch.folder, "other"));
  expect(one.address).not.toBe(other.address);
  expect([isRunning(one.pid), isRunning(other.pid)]).toEqual([true, true]);
});

test("in a folder whose path is too long for a socket it listens in a short one, which goes with it", async () => {
  await using scratch = await makeFolder();
  const buildkitd = await start(join(scratch.folder, "long".repeat(30)));
  const socket = new URL(buildkitd.address).pathname;
  expect(socket.startsWith(join(tmpdir(), "of-builder-buildkitd-"))).toBe(true);
  expect(existsSync(socket)).toBe(true);
  await buildkitd.stop();
  expect(existsSync(resolve(socket, ".."))).toBe(false);
});

test("killed in the middle of a build, the next start ends its containers and mounts and has its cache", async () => {
  await using scratch = await makeFolder();
  const folder = join(scratch.folder, "state");
  const killed = await start(folder);
  const dockerfile = "FROM busybox\nRUN echo early > /early\nRUN echo begun; sleep 4711\n";
  const build = spawn(buildctl, await buildArgs(killed.address, scratch.folder, dockerfile));
  let printed = "";
  build.stderr.on("data", (bytes) => {
    printed += bytes;
  });
  const buildEnded = new Promise((settle) => build.once("close", settle));
  await until(() => /\d begun\n/.test(printed));
  process.kill(killed.pid, "SIGKILL");
  await killed.ended;
  await buildEnded;
  const sleepers = await sleepersOf(folder);
  expect(sleepers.length, "runc's container outlives its buildkitd: without that this test tests nothing").toBe(1);
  // Rootless, mounts live in a namespace that goes with its last process.
  if (isRoot) expect((await mountsBelow(folder)).length).toBeGreaterThan(0);

  await using next = await start(folder);
  expect(sleepers.filter(isRunning)).toEqual([]);
  expect(await mountsBelow(folder)).toEqual([]);
  const args = await buildArgs(next.address, scratch.folder, "FROM busybox\nRUN echo early > /early\n");
  expect((await run(buildctl, args)).stderr).toContain("CACHED");
});

async function sleepersOf(folder: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of await processesWith("sleep\x004711")) {
    if ((await readFile(`/proc/${pid}/mountinfo`, "utf8")).includes(folder)) found.push(pid);
  }
  return found;
}

test("a folder in which another process works is refused", async () => {
  await using scratch = await makeFolder();
  const room = new URL("../../src/parts/leftovers.ts", import.meta.url);
  const script = `
    import { rememberStart } from ${JSON.stringify(room.href)};
    await rememberStart(${JSON.stringify(scratch.folder)}, { pid: process.pid, socketFolder: "/nonexistent" });
    console.log("here");
    setInterval(() => {}, 1000);`;
  const other = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((settle) => other.once("close", settle));
  await new Promise((settle) => other.stdout.once("data", settle));
  const error = { code: "usage", message: expect.stringContaining(`in use by process ${other.pid}`) };
  await expect(start(scratch.folder)).rejects.toMatchObject(error);
  expect(isRunning(other.pid ?? 0)).toBe(true);
  other.kill("SIGKILL");
  await ended;
  await using _buildkitd = await start(scratch.folder);
});

test("a buildkitd that cannot start says why", async () => {
  await using scratch = await makeFolder();
  const options = { ...rootless, runc, folder: scratch.folder, insecureRegistries: [], log, signal };
  const error = {
    code: "tool_missing",
    message: expect.stringMatching(/^buildkitd ended with exit code 1; .*\n.*runc/s),
  };
  await expect(startBuildkitd({ ...options, binary, runc: "/no/such/runc" })).rejects.toMatchObject(error);
});

test("D1 a Dockerfile may not choose any frontend that it likes", async () => {
  await using scratch = await makeFolder();
  const dockerfile = "# syntax=attacker/frontend:latest\nFROM busybox\n";
  const args = await buildArgs(inject("buildkit"), scratch.folder, dockerfile);
  await expect(run(buildctl, args)).rejects.toThrow("is not an allowed gateway source");
});

test("D2 a build gets no entitlement", async () => {
  await using scratch = await makeFolder();
  const args = await buildArgs(inject("buildkit"), scratch.folder, "FROM busybox\nRUN --network=host true\n");
  await expect(run(buildctl, [...args, "--allow", "network.host"])).rejects.toThrow("network.host is not allowed");
});

test("paths and hosts stand in its settings as text, whatever they hold", () => {
  const config = buildkitdConfig({
    folder: '/data/a "b" \\ ü',
    socket: "/s/buildkitd.sock",
    runc: "/usr/sbin/runc",
    mirror: "127.0.0.1:1",
    insecureRegistries: ["127.0.0.1:1", "reg:5000"],
  });
  expect(config).toContain('root = "/data/a \\"b\\" \\\\ ü/state"\n');
  expect(config).toContain('[registry."docker.io"]\nmirrors = ["127.0.0.1:1"]\n');
  expect(config.match(/http = true/g)).toHaveLength(2);
});
