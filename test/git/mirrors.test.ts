import { execFileSync } from "node:child_process";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";
import { gitScene, privateRepository } from "./git-scene.ts";
import { keepingScene, largeRepository } from "./keeping-scene.ts";

const { signal } = new AbortController();
let github: GithubServer;

beforeAll(async () => {
  github = await startGithubServer();
});
afterAll(() => github.close());

test("the next push of a repository brings only what it changed", async () => {
  const { read, packSizes, fetches } = await keepingScene();
  const { url, sha, push } = await largeRepository(github);
  expect(await read({ url, sha }, "version")).toBe("1");
  expect(await read({ url, sha: await push("2") }, "version")).toBe("2");
  await push("3");
  expect(await read({ url, sha: await push("4") }, "version")).toBe("4");
  const [first = 0, ...others] = await packSizes();
  expect(first).toBeGreaterThan(200_000);
  expect(others).toHaveLength(2);
  expect(Math.max(...others)).toBeLessThan(2000);
  expect(await fetches()).toBe(3);
});

test("a commit that is kept needs no server, as after a restart", async () => {
  const { read, fetches } = await keepingScene();
  const { url, sha, push } = await largeRepository(github);
  const next = await push("2");
  await read({ url, sha: next }, "version");
  expect(await read({ url, sha: next }, "version")).toBe("2");
  expect(await fetches()).toBe(1);
  expect(await read({ url, sha }, "version")).toBe("1");
  expect(await fetches()).toBe(2);
});

test("many pushes of one repository at once do not meet", async () => {
  const { read, mirrors } = await keepingScene();
  const { url, sha, push } = await largeRepository(github);
  const shas = [sha, await push("2"), await push("3"), await push("4")];
  const versions = () => Promise.all(shas.map((each) => read({ url, sha: each }, "version")));
  expect(await versions()).toEqual(["1", "2", "3", "4"]);
  expect(await versions()).toEqual(["1", "2", "3", "4"]);
  expect(await mirrors()).toHaveLength(1);
});

test("two processes that keep the same folder do not meet", async () => {
  const one = await keepingScene();
  const { git } = await gitScene({ kept: { folder: join(one.repositories, ".."), maxBytes: 1024 ** 3 } });
  const { url, sha, push } = await largeRepository(github);
  const shas = [sha, await push("2"), await push("3")];
  await Promise.all(
    shas.flatMap((each) => [
      one.read({ url, sha: each }, "version"),
      git.checkout({ url, sha: each }, { signal }).then((checkout) => checkout[Symbol.asyncDispose]()),
    ]),
  );
  expect(await one.mirrors()).toHaveLength(1);
});

test("a commit that a force-push has removed is gone, and leaves what is kept", async () => {
  const { git, read, mirrors } = await keepingScene();
  const { url, sha } = await largeRepository(github);
  await read({ url, sha }, "version");
  const before = await mirrors();
  await expect(git.checkout({ url, sha: "1".repeat(40) }, { signal })).rejects.toMatchObject({ code: "commit_gone" });
  expect(await mirrors()).toEqual(before);
});

test("the least recently used mirrors go when all together are too large", async () => {
  const { read, mirrors, fetches } = await keepingScene({}, 500_000);
  const [one, two, three] = [
    await largeRepository(github),
    await largeRepository(github),
    await largeRepository(github),
  ];
  for (const each of [one, two, one, three, one]) await read(each, "version");
  expect([await fetches(), (await mirrors()).length]).toEqual([3, 2]);
  await read(two, "version");
  expect(await fetches()).toBe(4);
});

test("a repository that is larger than all that may be kept is checked out all the same", async () => {
  const { read, mirrors } = await keepingScene({}, 1000);
  expect(await read(await largeRepository(github), "version")).toBe("1");
  expect(await mirrors()).toEqual([]);
});

test("a mirror of many pushes begins anew, and does not grow for ever", async () => {
  const { read, mirrors, packSizes } = await keepingScene();
  const { url, sha, push } = await largeRepository(github);
  await read({ url, sha }, "version");
  const [mirror = ""] = await mirrors();
  for (let count = 10; count < 50; count++) await writeFile(join(mirror, "commits", String(count).repeat(20)), "");
  expect(await read({ url, sha }, "version")).toBe("1");
  const next = await push("2");
  expect(await read({ url, sha: next }, "version")).toBe("2");
  expect(await readdir(join(mirror, "commits"))).toEqual([next]);
  expect(await packSizes()).toHaveLength(1);
});

test("G7 what a token opened is kept without it", async () => {
  const { read, repositories } = await keepingScene();
  const { cloneUrl: url, sha, token } = await privateRepository(github);
  await read({ url, sha, token }, "README.md");
  const files = (await readdir(repositories, { recursive: true, withFileTypes: true })).filter((file) => file.isFile());
  const texts = await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name), "latin1")));
  const forms = [token, btoa(`x-access-token:${token}`)];
  expect(forms.filter((form) => texts.some((text) => text.includes(form)))).toEqual([]);
  expect((await stat(repositories)).mode & 0o077).toBe(0);
});

test("G7 what a token opened is no template without it", async () => {
  const { git, read } = await keepingScene();
  const { cloneUrl: url, sha, token } = await privateRepository(github);
  await read({ url, sha, token }, "README.md");
  await expect(git.checkoutRef({ url, ref: sha }, { signal })).rejects.toMatchObject({ code: "checkout_failed" });
});

test.for([true, false])(
  "G8 a file that is too large is refused, a server that can leave it out: %s",
  async (canFilter) => {
    const { git, mirrors } = await keepingScene({ limits: { maxBytes: 100_000 } });
    const { name, url, sha } = await largeRepository(github);
    const bare = join(github.folder, "o", `${name}.git`);
    execFileSync("git", ["-C", bare, "config", "uploadpack.allowFilter", String(canFilter)]);
    await expect(git.checkout({ url, sha }, { signal })).rejects.toMatchObject({
      code: "context_invalid",
      message: expect.stringContaining("larger than 100000 bytes"),
    });
    await expect(mirrors()).rejects.toThrow("ENOENT");
  },
);

test("nothing is kept where the setting says so, or where nothing can be written", async () => {
  const { read, repositories } = await keepingScene({}, 0);
  expect(await read(await largeRepository(github), "version")).toBe("1");
  await expect(stat(repositories)).rejects.toThrow("ENOENT");
  const unwritable = await keepingScene({ kept: { folder: "/dev/null", maxBytes: 1000 } });
  expect(await unwritable.read(await largeRepository(github), "version")).toBe("1");
});
