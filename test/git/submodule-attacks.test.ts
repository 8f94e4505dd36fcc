import { execFileSync } from "node:child_process";
import { readdir, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
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
  const sha = await addGitlink(join(github.folder, "o", `${name}.git`), { parent, commit: inner.sha, path: "sub\r" });

  const { git } = await gitScene({ kept: { folder: await scratchFolder(), maxBytes: 1024 ** 3 }, reuseFiles: true });
  for (const wanted of [parent, sha, parent, sha]) {
    await using checkout = await git.checkout({ url, sha: wanted }, { signal });
    expect(await readlink(join(checkout.folder, "sub"))).toBe(".git/hooks");
    if (wanted === sha) expect(await readdir(join(checkout.folder, "sub\r"))).toEqual([]);
  }
  await expect(stat(mark)).rejects.toThrow("ENOENT");
  await git[Symbol.asyncDispose]();
});

/** Adds a commit with a submodule's place to a bare repository. */
async function addGitlink(
  folder: string,
  { parent, commit, path }: { parent: string; commit: string; path: string },
): Promise<string> {
  const run = (args: readonly string[], input?: string) =>
    execFileSync("git", ["--git-dir", folder, ...args], { encoding: "utf8", ...(input && { input }) }).trim();
  const tree = run(["ls-tree", "-z", parent]);
  const made = run(["mktree", "-z", "--missing"], `${tree}160000 commit ${commit}\t${path}\0`);
  const who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
  const sha = run([...who, "commit-tree", made, "-p", parent, "-m", "gitlink"]);
  run(["update-ref", "refs/heads/gitlink", sha]);
  return sha;
}
