import { execFileSync } from "node:child_process";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Git } from "../../src/git/git.ts";
import type { CommittedFile } from "../github-server/repositories.ts";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";
import { createRandom } from "../random.ts";
import { gitScene, scratchFolder, uniqueName } from "./git-scene.ts";

const { signal } = new AbortController();
let github: GithubServer;

beforeAll(async () => {
  github = await startGithubServer();
});
afterAll(() => github.close());

async function reusingScene() {
  const folder = await scratchFolder();
  const scene = await gitScene({ kept: { folder, maxBytes: 1024 ** 3 }, reuseFiles: true });
  onTestFinished(() => scene.git[Symbol.asyncDispose]());
  const name = uniqueName();
  return {
    ...scene,
    create: (files: Record<string, string>) => github.createRepository("o", name, { files }),
    push: (files: Record<string, CommittedFile>) => github.commit("o", name, { files }),
  };
}

/** Everything about a folder but its times, and the number of each file. */
function listingOf(folder: string): string {
  const find = ["find", ".", "-printf", "%P %y %m %l\n", "-type", "f", "-exec", "sha256sum", "{}", ";"];
  return execFileSync(find[0] as string, find.slice(1), { cwd: folder, encoding: "utf8" })
    .split("\n")
    .sort()
    .join("\n");
}

async function inodeIn(git: Git, want: { url: string; sha: string }, file: string): Promise<bigint> {
  await using checkout = await git.checkout(want, { signal });
  return (await lstat(join(checkout.folder, file), { bigint: true })).ino;
}

test("the next checkout of a repository writes only the files that differ", async () => {
  const { git, create, push } = await reusingScene();
  const { cloneUrl: url, sha } = await create({ same: "same", other: "1" });
  const same = await inodeIn(git, { url, sha }, "same");
  const next = await push({ other: "2" });
  await using checkout = await git.checkout({ url, sha: next }, { signal });
  expect((await lstat(join(checkout.folder, "same"), { bigint: true })).ino).toBe(same);
  expect((await readdir(checkout.folder)).sort()).toEqual(["other", "same"]);
});

test("files wait for one checkout only: two at once have each their own", async () => {
  const { git, create } = await reusingScene();
  const { cloneUrl: url, sha } = await create({ file: "1" });
  await inodeIn(git, { url, sha }, "file");
  await using one = await git.checkout({ url, sha }, { signal });
  await using other = await git.checkout({ url, sha }, { signal });
  expect(other.folder).not.toBe(one.folder);
});

test("a checkout that is left twice is handed over once", async () => {
  const { git, create } = await reusingScene();
  const { cloneUrl: url, sha } = await create({ file: "1" });
  const left = await git.checkout({ url, sha }, { signal });
  await left[Symbol.asyncDispose]();
  await using one = await git.checkout({ url, sha }, { signal });
  await left[Symbol.asyncDispose]();
  await using other = await git.checkout({ url, sha }, { signal });
  expect(other.folder).not.toBe(one.folder);
});

test("files of another repository are never taken, and all go with the git", async () => {
  const { git, create, temporaryFolder } = await reusingScene();
  const other = await github.createRepository("o", uniqueName(), { files: { secret: "other" } });
  const { cloneUrl: url, sha } = await create({ file: "1" });
  await inodeIn(git, { url: other.cloneUrl, sha: other.sha }, "secret");
  {
    await using checkout = await git.checkout({ url, sha }, { signal });
    expect(await readdir(checkout.folder)).toEqual(["file"]);
  }
  expect(await readdir(temporaryFolder)).toHaveLength(2);
  await git[Symbol.asyncDispose]();
  expect(await readdir(temporaryFolder)).toEqual([]);
});

test("G4 other attributes have every file written anew, as git would write it", async () => {
  const { git, create, push } = await reusingScene();
  const { cloneUrl: url, sha } = await create({ "a.txt": "1\n2\n", "sub/b.txt": "1\n" });
  await inodeIn(git, { url, sha }, "a.txt");
  const next = await push({ "sub/.gitattributes": "*.txt text eol=crlf\n" });
  await expectAsNew(git, { url, sha: next });
  const last = await push({ "sub/.gitattributes": null });
  await expectAsNew(git, { url, sha: last });
});

/** Whatever one tree turns into, what is taken over has to end as a tree that was written anew. */
test("G5 files, folders, links and modes change into each other as in a new checkout", {
  timeout: 120_000,
}, async () => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  const random = createRandom(seed).next;
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const { git, create, push } = await reusingScene();
  const { cloneUrl: url } = await create({ "keep/file": "1" });
  let taken: string[] = [];
  for (let round = 0; round < 12; round++) {
    const files: Record<string, CommittedFile> = Object.fromEntries(taken.map((path) => [path, null]));
    taken = ["a", "b", "c", "d"].map((name) => pick([name, `${name}/x`, `${name}/x/y`, `${name}/z`]));
    for (const path of taken) {
      const link = { content: pick(["/etc/passwd", "../..", "keep", "nothing"]), mode: "120000" } as const;
      files[path] = pick([String(random()), { content: "run", mode: "100755" } as const, link]);
    }
    await expectAsNew(git, { url, sha: await push(files) }, `seed ${seed}`);
  }
});

async function expectAsNew(git: Git, want: { url: string; sha: string }, hint = ""): Promise<void> {
  const { git: fresh } = await gitScene();
  await using expected = await fresh.checkout(want, { signal });
  await using checkout = await git.checkout(want, { signal });
  expect(listingOf(checkout.folder), hint).toBe(listingOf(expected.folder));
}
