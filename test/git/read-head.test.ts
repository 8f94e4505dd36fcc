import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { mayBeOfRepository } from "../../src/git/find-repository.ts";
import { readCommitName, readUnchangedCommit } from "../../src/git/read-head.ts";
import { createScratch } from "../database/scratch.ts";

const signal = new AbortController().signal;

/** A repository with one commit, and a file that a command of its own would make. */
async function createRepository() {
  const scratch = await createScratch();
  const folder = join(scratch.path, "repository");
  const trace = join(scratch.path, "ran");
  await mkdir(join(folder, "fn"), { recursive: true });
  const git = async (...args: readonly string[]) => {
    const who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    return (await promisify(execFile)("git", [...who, ...args], { cwd: folder })).stdout.trim();
  };
  await git("init", "--quiet");
  await writeFile(join(folder, ".gitignore"), "*.log\n");
  await writeFile(join(folder, "fn/x"), "x");
  await git("add", ".");
  await git("commit", "--quiet", "--message=one");
  return { ...scratch, folder, trace, git, commit: (place = folder) => readUnchangedCommit(place, { signal }) };
}

test("git is asked about folders of a repository alone", async () => {
  await using repository = await createRepository();
  const { folder, path } = repository;
  expect([folder, join(folder, "fn"), path].map((place) => mayBeOfRepository(place, {}))).toEqual([true, true, false]);
  expect(mayBeOfRepository(path, { GIT_DIR: join(folder, ".git") })).toBe(true);
});

test("a folder whose files are those of its commit has that commit", async () => {
  await using repository = await createRepository();
  const { folder, git, commit } = repository;
  const sha = await git("rev-parse", "HEAD");
  expect(await commit()).toBe(sha);
  await writeFile(join(folder, "fn/y.log"), "ignored");
  expect(await commit()).toBe(sha);
  await writeFile(join(folder, "beside"), "beside");
  expect(await commit(join(folder, "fn"))).toBe(sha);
  expect(await commit()).toBe("");
});

test.for([
  ["a changed file", (folder: string) => writeFile(join(folder, "fn/x"), "y")],
  ["a new file", (folder: string) => writeFile(join(folder, "fn/y"), "y")],
] as const)("a folder with %s is no commit", async ([, change]) => {
  await using repository = await createRepository();
  await change(repository.folder);
  expect(await repository.commit()).toBe("");
});

test("a folder without a commit, and one without a repository, are no commit", async () => {
  await using scratch = await createScratch();
  expect(await readUnchangedCommit(scratch.path, { signal })).toBe("");
  await promisify(execFile)("git", ["init", "--quiet"], { cwd: scratch.path });
  expect(await readUnchangedCommit(scratch.path, { signal })).toBe("");
});

test("G10 nothing that a repository of unknown origin brings along is run", async () => {
  await using repository = await createRepository();
  const { folder, trace, git, commit } = repository;
  const program = join(folder, ".git/hooks/post-index-change");
  await mkdir(join(folder, ".git/hooks"), { recursive: true });
  await writeFile(program, `#!/bin/sh\necho ran >> ${trace}\n`);
  await chmod(program, 0o755);
  await git("config", "core.fsmonitor", program);
  await writeFile(join(folder, "fn/x"), "x");
  expect(await commit()).toBe(await git("-c", "core.fsmonitor=false", "rev-parse", "HEAD"));
  expect(existsSync(trace)).toBe(false);
  await git("config", "filter.x.clean", `sh ${program}`);
  await writeFile(join(folder, ".git/info/attributes"), "* filter=x\n");
  await writeFile(join(folder, "fn/x"), "z");
  expect(await commit()).toBe("");
  for (const kind of ["sha", "branch", "describe"] as const) await readCommitName(folder, kind, { signal });
  expect(existsSync(trace)).toBe(false);
});

test("a partial clone is no commit: git would fetch what it misses by what the repository says", async () => {
  await using repository = await createRepository();
  await repository.git("config", "remote.origin.promisor", "true");
  expect(await repository.commit()).toBe("");
});

test("a folder with a submodule is no commit: what that holds is known to its own git alone", async () => {
  await using repository = await createRepository();
  const { folder, git, commit } = repository;
  const sha = await git("rev-parse", "HEAD");
  await git("update-index", "--add", "--cacheinfo", `160000,${sha},fn/module`);
  await git("commit", "--quiet", "--message=two");
  await mkdir(join(folder, "fn/module"));
  expect(await commit()).toBe("");
});
