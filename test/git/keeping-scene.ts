import { randomBytes } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { GitOptions } from "../../src/git/git.ts";
import type { GithubServer } from "../github-server/server.ts";
import { gitScene, scratchFolder, spyGit, uniqueName } from "./git-scene.ts";

const { signal } = new AbortController();

/** A git that keeps what it fetches, and ways to look at what it keeps. */
export async function keepingScene(options: Partial<GitOptions> = {}, maxBytes = 1024 ** 3) {
  const folder = await scratchFolder();
  const { environment, fetches } = await spyGit();
  const { git, temporaryFolder } = await gitScene({ environment, kept: { folder, maxBytes }, ...options });
  const repositories = join(folder, "repositories");
  const mirrors = async () => (await readdir(repositories)).map((name) => join(repositories, name));
  return {
    git,
    temporaryFolder,
    repositories,
    fetches,
    mirrors,
    /** Sizes of the packs of the only mirror, the largest first. */
    async packSizes() {
      const [mirror = ""] = await mirrors();
      const names = (await readdir(join(mirror, "objects/pack"))).filter((name) => name.endsWith(".pack"));
      const sizes = await Promise.all(names.map((name) => stat(join(mirror, "objects/pack", name))));
      return sizes.map(({ size }) => size).toSorted((a, b) => b - a);
    },
    async read(want: { url: string; sha: string; token?: string }, file: string) {
      await using checkout = await git.checkout(want, { signal });
      return readFile(join(checkout.folder, file), "utf8");
    },
  };
}

/** A repository of which every commit but the first is small. */
export async function largeRepository(github: GithubServer) {
  const name = uniqueName();
  const files = { large: randomBytes(200_000).toString("base64"), version: "1" };
  const { cloneUrl, sha } = await github.createRepository("o", name, { files });
  return { name, url: cloneUrl, sha, push: (version: string) => github.commit("o", name, { files: { version } }) };
}
