import { execFile } from "node:child_process";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
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
const registry = inject("registry");

/** A folder with two functions, whose images go to a repository of their own. */
async function createProject(name: string) {
  const folder = join(scratch, name);
  const image = (one: string) => `${registry}/unchanged-${name}/${one}:\${TAG:-1}`;
  await write(folder, {
    "stack.yml": `provider: {name: openfaas}
functions:
  one: {lang: dockerfile, handler: ./one, image: "${image("one")}"}
  two: {lang: dockerfile, handler: ./two, image: "${image("two")}"}
`,
    "one/Dockerfile": "FROM busybox\nCOPY . /one\n",
    "one/.dockerignore": "*.log\n",
    "one/x": "x",
    "two/Dockerfile": "FROM busybox\nCOPY . /two\n",
  });
  return {
    folder,
    write: (files: Readonly<Record<string, string>>) => write(folder, files),
    /** Runs `of-builder build`; answers the last line of what it printed, and all of it. */
    async build(args: readonly string[] = [], env: Record<string, string> = {}) {
      const all = {
        PATH: process.env.PATH,
        HOME: scratch,
        BUILDKIT_HOST: inject("buildkit"),
        docker_mirror: registry,
        data_path: join(scratch, "data"),
        ...env,
      };
      const { stdout } = await run(process.execPath, [bin, "build", ...args], { cwd: folder, env: all });
      return {
        counts: stdout
          .trimEnd()
          .split("\n")
          .at(-1)
          ?.replace(/ in .*$/, ""),
        stdout,
      };
    },
  };
}

async function write(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

/** Where nothing has to be built it need not be there. */
const noBuildkit = { BUILDKIT_HOST: "tcp://127.0.0.1:1" };

test("the second time nothing is built, one change builds one function, --force builds all", async () => {
  const project = await createProject("second");
  expect((await project.build()).counts).toBe("2 built");
  const second = await project.build([], noBuildkit);
  expect(second.counts).toBe("0 built, 2 unchanged");
  expect(second.stdout).toMatch(/^one \| unchanged: \S+\/one:1@sha256:[0-9a-f]{64} /m);
  await project.write({ "one/x": "y" });
  expect((await project.build()).counts).toBe("1 built, 1 unchanged");
  expect((await project.build(["--force"])).counts).toBe("2 built");
  expect((await project.build(["--no-cache"])).counts).toBe("2 built");
});

test("what .dockerignore leaves out changes nothing; build arguments and the stack's image do", async () => {
  const project = await createProject("ignored");
  await project.build();
  await project.write({ "one/x.log": "log" });
  expect((await project.build([], noBuildkit)).counts).toBe("0 built, 2 unchanged");
  expect((await project.build(["-b", "A=1"])).counts).toBe("2 built");
});

test("a failed build leaves its change to be built", async () => {
  const project = await createProject("failing");
  await project.build();
  await project.write({ "one/Dockerfile": "FROM busybox\nRUN exit 3\n" });
  for (const _attempt of [1, 2]) {
    await expect(project.build()).rejects.toMatchObject({ stdout: expect.stringContaining("1 unchanged, 1 failed") });
  }
});

test("with --push an image counts only while the registry has it", async () => {
  const project = await createProject("pushed");
  expect((await project.build()).counts).toBe("2 built");
  expect((await project.build(["--push"])).counts).toBe("2 built");
  expect((await project.build(["--push"], noBuildkit)).counts).toBe("0 built, 2 unchanged");
  const digest = await digestOf("unchanged-pushed/one", "1");
  const url = `http://${registry}/v2/unchanged-pushed/one/manifests/${digest}`;
  expect((await fetch(url, { method: "DELETE" })).status).toBe(202);
  expect((await project.build(["--push"])).counts).toBe("1 built, 1 unchanged");
  expect(await digestOf("unchanged-pushed/one", "1")).toBe(digest);
});

test("under a new tag the earlier image gets that in the registry, and nothing is built", async () => {
  const project = await createProject("tagged");
  expect((await project.build(["--push"])).counts).toBe("2 built");
  const digest = await digestOf("unchanged-tagged/one", "1");
  const second = await project.build(["--push"], { ...noBuildkit, TAG: "2" });
  expect(second.counts).toBe("0 built, 2 unchanged");
  expect(second.stdout).toContain(`/unchanged-tagged/one:2@${digest}`);
  expect(await digestOf("unchanged-tagged/one", "2")).toBe(digest);
  // A tag that somebody has moved is moved back.
  await project.write({ "one/x": "y" });
  expect((await project.build(["--push"], { TAG: "3" })).counts).toBe("1 built, 1 unchanged");
  const changed = await digestOf("unchanged-tagged/one", "3");
  expect(changed).not.toBe(digest);
  expect((await project.build(["--push"], { ...noBuildkit, TAG: "2" })).counts).toBe("0 built, 2 unchanged");
  expect(await digestOf("unchanged-tagged/one", "2")).toBe(changed);
});

test("without --push, and of what was not pushed, a new tag is built", async () => {
  const project = await createProject("retagged");
  expect((await project.build()).counts).toBe("2 built");
  expect((await project.build([], { TAG: "2" })).counts).toBe("2 built");
  expect((await project.build([], { ...noBuildkit, TAG: "2" })).counts).toBe("0 built, 2 unchanged");
  expect((await project.build(["--push"], { TAG: "3" })).counts).toBe("2 built");
  expect(await digestOf("unchanged-retagged/one", "3")).toMatch(/^sha256:/);
});

test("what has not changed names the commit that built it, where the folder was that commit", async () => {
  const project = await createProject("committed");
  const git = async (...args: readonly string[]) => {
    const who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    return (await run("git", [...who, ...args], { cwd: project.folder })).stdout.trim();
  };
  await git("init", "--quiet");
  await git("add", ".");
  await git("commit", "--quiet", "--message=one");
  const sha = await git("rev-parse", "--short=7", "HEAD");
  await project.build(["--push", "--tag", "sha"]);
  expect(await digestOf("unchanged-committed/one", `1-${sha}`)).toMatch(/^sha256:/);
  await project.write({ "two/x": "later" });
  const { stdout } = await project.build(["--push"]);
  expect(stdout).toMatch(new RegExp(`^one \\| unchanged since ${sha}: `, "m"));
  await git("add", ".");
  await git("commit", "--quiet", "--message=two");
  const later = await git("rev-parse", "--short", "HEAD");
  const third = await project.build(["--push", "--tag", "sha"], noBuildkit);
  expect(third.stdout).toMatch(new RegExp(`^one \\| unchanged since ${sha}: \\S+/one:1-${later}@`, "m"));
  // It was built of a change that was no commit yet.
  expect(third.stdout).toMatch(/^two \| unchanged: /m);
});

test("where a base image's registry does not answer everything is built", async () => {
  const project = await createProject("unknown");
  const dockerfile = "FROM 127.0.0.1:1/none:1\n";
  await project.build();
  await project.write({ "one/Dockerfile": dockerfile });
  await expect(project.build()).rejects.toMatchObject({ stdout: expect.stringContaining("one | failed") });
});

test("a memory that cannot be read is none", async () => {
  const project = await createProject("broken");
  await project.build();
  const place = join(scratch, "data/good-builds");
  for (const file of await readdir(place)) await writeFile(join(place, file), "{");
  expect((await project.build()).counts).toBe("2 built");
  await rm(place, { recursive: true });
  expect((await project.build()).counts).toBe("2 built");
  expect((await project.build([], noBuildkit)).counts).toBe("0 built, 2 unchanged");
});
