import { execFile } from "node:child_process";
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { createImageNames } from "../../src/compose/image-names.ts";
import { parseTagFormat, tagFormats } from "../../src/model/image-name.ts";
import type { StackFunction } from "../../src/model/stack.ts";
import { createScratch } from "../contexts/scratch.ts";
import { faasCli } from "../model/faas-cli.ts";

const run = promisify(execFile);
const signal = new AbortController().signal;
const images = { fn: "reg:5000/x/fn", two: "reg:5000/x/two:0.1" };
const names = Object.keys(images) as (keyof typeof images)[];

interface Project extends AsyncDisposable {
  readonly folder: string;
  git(...args: readonly string[]): Promise<string>;
  /** The names that `--tag` gives the images. */
  named(format: string): Promise<readonly string[]>;
}

/** A folder with a stack, not yet a repository. */
async function createProject(): Promise<Project> {
  const scratch = await createScratch();
  const folder = join(scratch.folder, "project");
  const env = { PATH: process.env.PATH, HOME: scratch.folder, GIT_CONFIG_NOSYSTEM: "1" };
  const git = async (...args: readonly string[]) => {
    const who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    return (await run("git", [...who, ...args], { cwd: folder, env })).stdout.trim();
  };
  const files = {
    "stack.yml": `provider: {name: openfaas}\nfunctions:\n${names.map((name) => `  ${name}: {lang: dockerfile, handler: ./fn, image: '${images[name]}'}\n`).join("")}`,
    "template/dockerfile/template.yml": "language: dockerfile\n",
    "fn/Dockerfile": "FROM x\n",
    // The order of whole paths is another one than that of a walk.
    "fn/a/x": "1",
    "fn/a.d/x": "2",
    "fn/a-b": "3",
    "fn/build/kept": "4",
    "fn/é": "5",
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  await symlink("Dockerfile", join(folder, "fn/link"));
  return {
    ...scratch,
    folder,
    git,
    async named(format) {
      const imageOf = await createImageNames(parseTagFormat(format), { folder, signal });
      const place = { path: "stack.yml", line: 1 };
      const definitions = names.map((name) => ({ name, image: images[name], handler: "./fn", handlerLocation: place }));
      const ours = await Promise.all(definitions.map((definition) => imageOf(definition as never as StackFunction)));
      if (faasCli !== "") expect(await namesOfFaasCli(folder, format), format).toEqual(ours);
      return ours;
    },
    [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose](),
  };
}

/** What faas-cli tells a docker of ours to build. */
async function namesOfFaasCli(folder: string, format: string): Promise<readonly string[]> {
  const programs = join(folder, "../programs");
  await mkdir(programs, { recursive: true });
  await writeFile(join(programs, "docker"), '#!/bin/sh\necho "DOCKER $@"\n');
  await chmod(join(programs, "docker"), 0o755);
  const env = { PATH: `${programs}:${process.env.PATH}`, HOME: programs, GIT_CONFIG_NOSYSTEM: "1" };
  const { stdout } = await run(faasCli, ["build", "--tag", format], { cwd: folder, env });
  return [...stdout.matchAll(/^.*DOCKER .*--tag (\S+) \.$/gm)].map(([, name = ""]) => name).toSorted();
}

test("each tag format gives the names that faas-cli gives", async () => {
  await using project = await createProject();
  const { git, named } = project;
  const digest = "45465324980e6098cb590d121a5d9ee7";
  expect(await named("latest")).toEqual(["reg:5000/x/fn:latest", "reg:5000/x/two:0.1"]);
  expect(await named("")).toEqual(await named("Default"));
  expect(await named("digest")).toEqual([`reg:5000/x/fn:${digest}`, `reg:5000/x/two:${digest}`]);
  await git("init", "--quiet", "--initial-branch=main");
  await git("add", "stack.yml");
  await git("commit", "--quiet", "--message=one");
  const sha = await git("rev-parse", "--short", "HEAD");
  expect(await named("SHA")).toEqual([`reg:5000/x/fn:latest-${sha}`, `reg:5000/x/two:0.1-${sha}`]);
  expect(await named("branch")).toEqual([`reg:5000/x/fn:latest-main-${sha}`, `reg:5000/x/two:0.1-main-${sha}`]);
  expect(await named("describe")).toEqual([`reg:5000/x/fn:latest-${sha}`, `reg:5000/x/two:0.1-${sha}`]);
  await git("tag", "v1.0");
  expect(await named("describe")).toEqual(["reg:5000/x/fn:latest-v1.0", "reg:5000/x/two:0.1-v1.0"]);
  await git("commit", "--quiet", "--allow-empty", "--message=two");
  const later = await git("rev-parse", "--short", "HEAD");
  expect(await named("describe")).toContain(`reg:5000/x/fn:latest-v1.0-1-g${later}`);
  await git("checkout", "--quiet", "--detach");
  expect(await named("branch")).toContain(`reg:5000/x/fn:latest-HEAD-${later}`);
});

test("a branch that a tag cannot hold is built all the same, which fails with faas-cli", async () => {
  await using project = await createProject();
  await project.git("init", "--quiet", "--initial-branch=feature/ü+X");
  await project.git("commit", "--quiet", "--allow-empty", "--message=one");
  const sha = await project.git("rev-parse", "--short", "HEAD");
  const imageOf = await createImageNames("branch", { folder: project.folder, signal });
  expect(await imageOf({ name: "fn", image: "r/fn" } as StackFunction)).toBe(`r/fn:latest-feature---X-${sha}`);
});

test.for(["sha", "branch", "describe"] as const)("%s needs a commit", async (format) => {
  await using project = await createProject();
  const naming = () => createImageNames(format, { folder: project.folder, signal });
  await expect(naming()).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining("no git repository"),
  });
  await project.git("init", "--quiet");
  await expect(naming()).rejects.toMatchObject({ code: "usage" });
});

test("the digest of a handler that is not there is a fault at its line", async () => {
  await using project = await createProject();
  const imageOf = await createImageNames("digest", { folder: project.folder, signal });
  const location = { path: "stack.yml", line: 7 };
  const definition = { name: "fn", image: "r/fn", handler: "absent", handlerLocation: location };
  await expect(imageOf(definition as never as StackFunction)).rejects.toMatchObject({
    code: "context_invalid",
    location,
  });
});

test("a handler's absolute path has the digest of its folder", async () => {
  await using project = await createProject();
  const imageOf = await createImageNames("digest", { folder: project.folder, signal });
  const place = { path: "stack.yml", line: 1 };
  const nameOf = (handler: string) =>
    imageOf({ name: "fn", image: "r/fn", handler, handlerLocation: place } as never as StackFunction);
  expect(await nameOf(join(project.folder, "fn"))).toBe(await nameOf("./fn"));
  await expect(nameOf(dirname(project.folder))).rejects.toMatchObject({ code: "path_forbidden" });
});

test("a format that nobody knows is refused with those that are known", () => {
  expect(() => parseTagFormat("nope")).toThrow("unknown image tag format: 'nope'");
  for (const format of tagFormats) expect(() => parseTagFormat("nope")).toThrow(format);
});
