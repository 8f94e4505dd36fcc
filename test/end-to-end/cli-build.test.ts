import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rename, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, inject, test } from "vitest";
import { createScratch } from "../database/scratch.ts";
import { digestOf } from "./serving.ts";

const run = promisify(execFile);
const parts = new AsyncDisposableStack();
const { path: scratch } = parts.use(await createScratch());
afterAll(() => parts.disposeAsync());

const bin = join(import.meta.dirname, "../../bin/of-builder.js");

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs of-builder in a folder with these files. */
async function ofBuilder(
  args: readonly string[],
  files: Readonly<Record<string, string>>,
  env: Record<string, string> = {},
): Promise<Ended & { folder: string }> {
  const folder = join(scratch, String(Math.random()).slice(2));
  await mkdir(folder);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  const all = {
    PATH: process.env.PATH,
    HOME: scratch,
    data_path: join(scratch, "data"),
    BUILDKIT_HOST: inject("buildkit"),
    ...env,
  };
  const ended = await run(process.execPath, [bin, ...args], { cwd: folder, env: all }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Ended) => error,
  );
  return { folder, code: ended.code, stdout: ended.stdout, stderr: ended.stderr };
}

const stack = (functions: string) => `version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n${functions}`;
const two = {
  "stack.yml": stack(
    "  one: {lang: dockerfile, handler: ./one, image: '${REGISTRY}/cli/one:1'}\n  two: {lang: small, handler: ./two, image: '${REGISTRY}/cli/two'}\n",
  ),
  "one/Dockerfile": "FROM busybox\nCOPY . /one/\n",
  "two/handler.sh": "echo two\n",
  "template/small/template.yml": "language: small\n",
  "template/small/Dockerfile": "FROM busybox\nCOPY function/ /function/\n",
};

test("the functions of a folder are built and pushed under the names that the stack gives them", async () => {
  const { code, stdout } = await ofBuilder(["build", "--push"], two, { REGISTRY: inject("registry") });
  expect(stdout).toContain("2 built");
  expect(code).toBe(0);
  for (const [name, tag] of [
    ["one", "1"],
    ["two", "latest"],
  ] as const) {
    const digest = await digestOf(`cli/${name}`, tag);
    expect(stdout).toContain(`${inject("registry")}/cli/${name}:${tag}@${digest}`);
  }
});

test("plain progress is lines of text, each with its function's name", async () => {
  const { stdout } = await ofBuilder(["build", "--filter", "o*"], two, { REGISTRY: "r" });
  expect(stdout).toMatch(/^one \| #\d+ \[2\/2\] COPY/m);
  expect(stdout).not.toContain("two |");
  expect(stdout).not.toContain("\x1b");
});

test("a function that fails is 1, shows the step's last words and its line, and stops no other", async () => {
  const files = { ...two, "one/Dockerfile": "FROM busybox\nRUN echo last words && exit 5\n" };
  const { code, stdout } = await ofBuilder(["build"], files, { REGISTRY: "r" });
  expect(code).toBe(1);
  expect(stdout).toContain("last words");
  expect(stdout).toContain("one/Dockerfile:2");
  expect(stdout).toContain("1 built, 1 failed");
});

test.for([
  ["an unknown option", ["build", "--fast"], {}],
  ["an unknown command", ["bulid"], {}],
  ["a stack file that is not there", ["build", "-f", "x.yml"], {}],
  ["a faulty setting", ["build"], { insecure: "perhaps" }],
  ["a number that is none", ["build", "--parallel", "many"], {}],
  ["a tag format that is none", ["build", "--tag", "nope"], {}],
  ["a tag of a commit in a folder without one", ["build", "--tag", "sha"], {}],
  ["a faulty setting in a file", ["serve", "--config", "stack.yml"], {}],
] as const)("%s is 2", async ([, args, env]) => {
  const { code, stderr } = await ofBuilder(args, two, env);
  expect(code).toBe(2);
  expect(stderr).toMatch(/./);
});

test("a stack file with a fault is 1 and shows the line", async () => {
  const { code, stderr } = await ofBuilder(["build"], { "stack.yml": "functions:\n  a: x\n" });
  expect(code).toBe(1);
  expect(stderr).toContain("stack.yml:1:1: provider.name");
});

test("a handler that is not there shows its line with a caret, and stops no other function", async () => {
  const files = { ...two, "stack.yml": two["stack.yml"].replace("handler: ./one", "handler: ./oen") };
  const shown = `5 |   one: {lang: dockerfile, handler: ./oen, image: '\${REGISTRY}/cli/one:1'}`;
  const caret = `|${" ".repeat(36)}^`;
  const { code, stdout } = await ofBuilder(["build"], files, { REGISTRY: "r" });
  expect(code).toBe(1);
  expect(stdout).toContain("stack.yml:5");
  expect(stdout).toContain('handler "oen" does not exist');
  expect(stdout).toContain(caret);
  expect(stdout).toContain("1 built, 1 failed");
  const wrapped = await ofBuilder(["build", "-f", "stack.yml", "--shrinkwrap", "out"], files, { REGISTRY: "r" });
  expect(wrapped.code).toBe(1);
  expect(wrapped.stderr).toMatch(/^of-builder:\nstack\.yml:5:36: handler "oen" does not exist/);
  expect(wrapped.stderr).toContain(shown);
  expect(wrapped.stderr).toContain(caret);
});

test("--shrinkwrap writes the contexts and builds nothing", async () => {
  const { code, stdout, folder } = await ofBuilder(["build", "--shrinkwrap", "out"], two, {
    BUILDKIT_HOST: "tcp://127.0.0.1:1",
    REGISTRY: "r",
  });
  expect([code, stdout]).toEqual([0, "out/one\nout/two\n"]);
  expect(await readFile(join(folder, "out/two/function/handler.sh"), "utf8")).toBe("echo two\n");
  expect(await readFile(join(folder, "out/two/Dockerfile"), "utf8")).toBe("FROM busybox\nCOPY function/ /function/\n");
});

const whole = {
  "stack.yml": stack(
    "  one: {lang: dockerfile, handler: ., image: x/one}\n  two: {lang: small, handler: fn, image: x/two}\n",
  ),
  Dockerfile: "FROM busybox\n",
  "fn/handler.sh": "echo\n",
  // Neither a template.yml nor, as a link, a folder of its own: faas-cli takes neither.
  "templates/small/Dockerfile": "FROM busybox\n",
};

test("--shrinkwrap into a handler writes nothing of what it writes, nor of what it wrote before", async () => {
  const { folder } = await ofBuilder(["--version"], whole);
  await mkdir(join(folder, "template"));
  await symlink("../templates/small", join(folder, "template/small"));
  const env = { PATH: process.env.PATH, HOME: scratch };
  const shrinkwrap = (target: string, ...more: string[]) =>
    run(process.execPath, [bin, "build", "--shrinkwrap", target, ...more], { cwd: folder, env });
  const written = async (target: string) => (await readdir(join(folder, target), { recursive: true })).sort();
  await shrinkwrap("fn/out");
  const one = ["Dockerfile", "fn", "fn/handler.sh", "stack.yml", "templates", "templates/small"];
  expect(await written("fn/out/one")).toEqual([...one, "templates/small/Dockerfile"]);
  expect(await written("fn/out/two")).toEqual(["Dockerfile", "function", "function/handler.sh"]);
  await rename(join(folder, "fn/out/one"), join(folder, "fn/out/earlier"));
  await shrinkwrap("fn/out", "--filter", "one");
  expect(await written("fn/out/one")).toEqual(await written("fn/out/earlier"));
  await shrinkwrap("fn/out", "--tar");
  const { stdout } = await run("tar", ["tf", join(folder, "fn/out/one.tar")]);
  expect(stdout.split("\n").filter((path) => path.startsWith("context/fn/"))).toEqual(["context/fn/handler.sh"]);
  const within = shrinkwrap("fn");
  await expect(within).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/stack\.yml:6:\d+: handler "fn" lies in the folder that is written to/),
  });
});

test("a path that is longer than the system allows is told, and the file at its end not left out in silence", async () => {
  const { folder } = await ofBuilder(["--version"], two);
  const name = "n".repeat(240);
  await run("sh", ["-c", `for at in $(seq 20); do mkdir ${name} && cd -P ${name} || exit 1; done; echo >file`], {
    cwd: join(folder, "one"),
  });
  const env = { PATH: process.env.PATH, HOME: scratch, REGISTRY: "r" };
  const wrapping = run(process.execPath, [bin, "build", "--shrinkwrap", "out"], { cwd: folder, env });
  const stderr = expect.stringMatching(/^of-builder: "n{200}…" cannot be read: its path is longer/);
  await expect(wrapping).rejects.toMatchObject({ code: 1, stderr });
  await run("rm", ["-rf", folder]);
});

test("--shrinkwrap --tar writes archives that POST /build takes", async () => {
  const { code, stdout, folder } = await ofBuilder(["build", "--shrinkwrap", "out", "--tar"], two, {
    REGISTRY: "r:5000",
  });
  expect([code, stdout]).toEqual([0, "out/one.tar\nout/two.tar\n"]);
  const { stdout: listed } = await run("tar", ["tf", join(folder, "out/two.tar")]);
  expect(listed.split("\n")).toEqual(
    expect.arrayContaining(["context/Dockerfile", "context/function/handler.sh", "com.openfaas.docker.config"]),
  );
  const config = await run("tar", ["xOf", join(folder, "out/one.tar"), "com.openfaas.docker.config"]);
  expect(JSON.parse(config.stdout)).toEqual({ image: "r:5000/cli/one:1", buildArgs: {} });
});

test("--tag makes the images' tags", async () => {
  const args = ["build", "--shrinkwrap", "out", "--tar", "--tag", "digest"];
  const { code, folder } = await ofBuilder(args, two, { REGISTRY: "r:5000" });
  expect(code).toBe(0);
  const config = await run("tar", ["xOf", join(folder, "out/one.tar"), "com.openfaas.docker.config"]);
  expect(JSON.parse(config.stdout).image).toMatch(/^r:5000\/cli\/one:[0-9a-f]{32}$/);
  expect((await ofBuilder(["build", "--help"], {})).stdout).toMatch(
    /--tag <format>[\s\S]*sha, branch, describe, digest/,
  );
});

test("a BuildKit that is not there is 1, and says what to do", async () => {
  const { code, stderr } = await ofBuilder(["build"], two, { BUILDKIT_HOST: "tcp://127.0.0.1:1", REGISTRY: "r" });
  expect(code).toBe(1);
  expect(stderr).toMatch(/127\.0\.0\.1:1[\s\S]*start buildkitd/);
});

test("--version tells the package's version, --help of each command teaches by examples", async () => {
  const { version } = JSON.parse(await readFile(join(import.meta.dirname, "../../package.json"), "utf8"));
  expect((await ofBuilder(["--version"], {})).stdout.trim()).toBe(version);
  for (const command of ["build", "serve", "dev"]) {
    const { code, stdout } = await ofBuilder([command, "--help"], {});
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: of-builder ${command}`);
  }
});

test("G5 a link inside a handler may lead elsewhere in the folder, but not out of it", async () => {
  const { folder } = await ofBuilder(["--version"], two);
  await writeFile(join(folder, "shared.txt"), "shared");
  await symlink("../shared.txt", join(folder, "one/shared.txt"));
  const env = { PATH: process.env.PATH, HOME: scratch, REGISTRY: "r" };
  await run(process.execPath, [bin, "build", "--shrinkwrap", "out"], { cwd: folder, env });
  expect(await readFile(join(folder, "out/one/shared.txt"), "utf8")).toBe("shared");
  await symlink("/etc/passwd", join(folder, "one/passwd"));
  const escaped = run(process.execPath, [bin, "build", "--shrinkwrap", "again"], { cwd: folder, env });
  await expect(escaped).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("passwd") });
});
