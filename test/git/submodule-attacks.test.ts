import { execFileSync } from "node:child_process";
import { readdir, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CommittedFiles } from "../github-server/repositories.ts";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";
import { gitScene, scratchFolder, uniqueName } from "./git-scene.ts";

const { signal } = new AbortController();
let github: GithubServer;

beforeAll(async () => {
  github = await startGithubServer();
});
afterAll(() => github.close());

test("G3 a submodule whose path ends in a carriage return runs nothing (CVE-2025-48384)", async () => {
  const mark = join(await scratchFolder(), "ran");
  const hook = { content: `#!/bin/sh\ntouch ${mark}\n`, mode: "100755" } as const;
  const inner = await github.createRepository("o", uniqueName(), { files: { "post-checkout": hook } });
  const name = uniqueName();
  const { cloneUrl: url } = await github.createRepository("o", name, { files: { "README.md": "x" } });
  const gitmodules = `[submodule "s"]\n\tpath = "sub\r"\n\turl = ${inner.cloneUrl}\n`;
  const link = { content: ".git/hooks", mode: "120000" } as const;
  const parent = await github.commit("o", name, { files: { ".gitmodules": gitmodules, sub: link } });
  const sha = await addGitlinks(join(github.folder, "o", `${name}.git`), {
    parent,
    commit: inner.sha,
    paths: ["sub\r"],
  });

  const { git } = await gitScene({ kept: { folder: await scratchFolder(), maxBytes: 1024 ** 3 }, reuseFiles: true });
  for (const wanted of [parent, sha, parent, sha]) {
    await using checkout = await git.checkout({ url, sha: wanted }, { signal });
    expect(await readlink(join(checkout.folder, "sub"))).toBe(".git/hooks");
    if (wanted === sha) expect(await readdir(join(checkout.folder, "sub\r"))).toEqual([]);
  }
  await expect(stat(mark)).rejects.toThrow("ENOENT");
  await git[Symbol.asyncDispose]();
});

/** A repository that a submodule's hook would run of, and a mark that it would leave. */
async function innerWithHook() {
  const mark = join(await scratchFolder(), "ran");
  const hook = { content: `#!/bin/sh\ntouch ${mark}\n`, mode: "100755" } as const;
  const files = { "hooks/post-checkout": hook, "y/hooks/post-checkout": hook, "post-checkout": hook };
  return { mark, ...(await github.createRepository("o", uniqueName(), { files })) };
}

/** A repository with the files of the first, and beside them places of submodules. */
async function outerWith(files: CommittedFiles, { paths, commit }: { paths: readonly string[]; commit: string }) {
  const name = uniqueName();
  const { cloneUrl: url, sha: parent } = await github.createRepository("o", name, { files });
  return { url, sha: await addGitlinks(join(github.folder, "o", `${name}.git`), { parent, commit, paths }) };
}

const section = (name: string, path: string, url: string) =>
  `[submodule "${name}"]\n\tpath = ${path}\n\turl = ${url}\n`;

test.for(["../../outside", "..", "a/../../../outside"])(
  "G3 a submodule with the name %j is refused as it arrives (CVE-2018-11235)",
  async (name) => {
    const inner = await innerWithHook();
    const { url, sha } = await outerWith(
      { ".gitmodules": section(name, "sub", inner.cloneUrl), "modules/x": "x" },
      { paths: ["sub"], commit: inner.sha },
    );
    const { git } = await gitScene();
    await expect(git.checkout({ url, sha }, { signal })).rejects.toMatchObject({
      code: "checkout_failed",
      message: expect.stringContaining("gitmodulesName"),
    });
    await expect(stat(inner.mark)).rejects.toThrow("ENOENT");
  },
);

test("G3 submodules whose names lie in each other run nothing (CVE-2019-1387)", async () => {
  const inner = await innerWithHook();
  const names = ["sub", "sub/hooks", "sub/modules/sub"];
  const paths = ["one", "three", "two"];
  const gitmodules = names.map((name, at) => section(name, paths[at] ?? "", inner.cloneUrl)).join("");
  const { url, sha } = await outerWith({ ".gitmodules": gitmodules }, { paths, commit: inner.sha });
  const { git, temporaryFolder } = await gitScene();
  await using checkout = await git.checkout({ url, sha }, { signal });
  expect((await readdir(checkout.folder, { recursive: true })).sort()).toEqual([".gitmodules", ...paths]);
  expect(await readdir(temporaryFolder)).toHaveLength(1);
  await expect(stat(inner.mark)).rejects.toThrow("ENOENT");
});

test("G3 a submodule whose path leads by a link into .git where case does not count runs nothing (CVE-2024-32002)", async () => {
  const inner = await innerWithHook();
  const link = { content: ".git", mode: "120000" } as const;
  const gitmodules = section("x/y", "A/modules/x", inner.cloneUrl);
  const files = { ".gitmodules": gitmodules, a: link };
  const { url, sha } = await outerWith(files, { paths: ["A/modules/x"], commit: inner.sha });
  const { git, temporaryFolder } = await gitScene();
  await using checkout = await git.checkout({ url, sha }, { signal });
  expect(await readlink(join(checkout.folder, "a"))).toBe(".git");
  expect((await readdir(checkout.folder)).filter((name) => name === ".git")).toEqual([]);
  expect(await readdir(temporaryFolder)).toHaveLength(1);
  await expect(stat(inner.mark)).rejects.toThrow("ENOENT");
});

/** Adds a commit with the places of submodules to a bare repository. */
async function addGitlinks(
  folder: string,
  { parent, commit, paths }: { parent: string; commit: string; paths: readonly string[] },
): Promise<string> {
  const index = join(await scratchFolder(), "index");
  const env = { ...process.env, GIT_INDEX_FILE: index };
  const run = (args: readonly string[], input?: string) =>
    execFileSync("git", ["--git-dir", folder, ...args], { encoding: "utf8", env, ...(input && { input }) }).trim();
  run(["read-tree", parent]);
  run(["update-index", "-z", "--index-info"], paths.map((path) => `160000 ${commit}\t${path}\0`).join(""));
  const made = run(["write-tree", "--missing-ok"]);
  const who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
  const sha = run([...who, "commit-tree", made, "-p", parent, "-m", "gitlink"]);
  run(["update-ref", "refs/heads/gitlink", sha]);
  return sha;
}
