import { execFileSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { GitOptions } from "../../src/git/git.ts";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";
import { gitScene, scratchFolder, spyGit, uniqueName } from "./git-scene.ts";

const { signal } = new AbortController();
const hour = 3_600_000;
let github: GithubServer;

beforeAll(async () => {
  github = await startGithubServer();
});
afterAll(() => github.close());

/** A git that keeps templates, and a repository of templates of which each commit has a version. */
async function templateScene(options: Partial<GitOptions> = {}, server = github) {
  const folder = await scratchFolder();
  const { environment, fetches } = await spyGit();
  const warnings: string[] = [];
  const log = {
    debug() {},
    info() {},
    warn: (_: unknown, text: string) => void warnings.push(text),
    error() {},
    child: () => log,
  };
  const kept = { folder, maxBytes: 1024 ** 3 };
  const { git } = await gitScene({ environment, kept, log, templateRefreshMs: hour, ...options });
  const name = uniqueName();
  const { cloneUrl: url, sha } = await server.createRepository("o", name, { branch: "main", files: { version: "1" } });
  return {
    url,
    sha,
    fetches,
    warnings,
    bare: join(server.folder, "o", `${name}.git`),
    commit: (version: string, branch = "main") => server.commit("o", name, { branch, files: { version } }),
    async read(source: string, options = { signal }) {
      await using checkout = await git.checkoutRef({ url: source }, options);
      expect(await readdir(checkout.folder)).toEqual(["version"]);
      return readFile(join(checkout.folder, "version"), "utf8");
    },
  };
}

async function closingServer() {
  const server = await startGithubServer();
  onTestFinished(() => server.close());
  return server;
}

test("a branch counts as what it was until it is old", async () => {
  const { read, url, commit, fetches } = await templateScene();
  expect(await read(url)).toBe("1");
  await commit("2");
  expect([await read(url), await fetches()]).toEqual(["1", 1]);
  expect([await read(`${url}#main`), await fetches()]).toEqual(["2", 2]);
});

test("a branch that is old is asked for again", async () => {
  const { read, url, commit } = await templateScene({ templateRefreshMs: 0 });
  expect(await read(url)).toBe("1");
  await commit("2");
  expect(await read(url)).toBe("2");
});

test("many who want the same at once cause one fetch", async () => {
  const { read, url, fetches } = await templateScene();
  expect(await Promise.all(Array.from({ length: 5 }, () => read(url)))).toEqual(["1", "1", "1", "1", "1"]);
  expect(await fetches()).toBe(1);
});

test("one who waits for another's fetch may leave", async () => {
  const { read, url } = await templateScene();
  const leave = new AbortController();
  const [first, second] = [read(url), read(url, { signal: leave.signal })];
  leave.abort(new Error("leaving"));
  await expect(second).rejects.toThrow("leaving");
  expect(await first).toBe("1");
  expect(await read(url)).toBe("1");
});

test("a server that is away leaves the last good copy, and a warning", async () => {
  const server = await closingServer();
  const { read, url, warnings } = await templateScene({ templateRefreshMs: 0 }, server);
  expect(await read(`${url}#main`)).toBe("1");
  await server.close();
  expect(await read(`${url}#main`)).toBe("1");
  expect(warnings).toEqual([expect.stringMatching(/^templates are the last that could be fetched: main of http/)]);
  await expect(read(`${url}#other`)).rejects.toMatchObject({ code: "checkout_failed", transient: true });
});

test("a commit that was planned with is there again without its server", async () => {
  const server = await closingServer();
  const { read, url, sha, fetches } = await templateScene({}, server);
  await read(url);
  await server.close();
  expect(await read(`${url}#sha-${sha}`)).toBe("1");
  expect(await fetches()).toBe(1);
});

test("a branch that was removed is not answered by what it was", async () => {
  const { read, url, commit, bare } = await templateScene({ templateRefreshMs: 0 });
  await commit("2", "dev");
  expect(await read(`${url}#dev`)).toBe("2");
  execFileSync("git", ["-C", bare, "branch", "-D", "dev"], { stdio: "ignore" });
  await expect(read(`${url}#dev`)).rejects.toMatchObject({ code: "template_unknown" });
});

test("the first digits of a commit mean that commit, for ever", async () => {
  const { read, url, sha, commit, fetches } = await templateScene({ templateRefreshMs: 0 });
  await commit("2");
  const source = `${url}#sha-${sha.slice(0, 7)}`;
  expect(await read(source)).toBe("1");
  const asked = await fetches();
  expect([await read(source), await fetches()]).toEqual(["1", asked]);
  await expect(read(`${url}#sha-0000000`)).rejects.toMatchObject({
    code: "template_unknown",
    message: expect.stringContaining("sha-0000000 of http"),
  });
});

test("a tag counts where there is no branch of its name", async () => {
  const { read, url, sha, bare, commit } = await templateScene();
  execFileSync("git", ["-C", bare, "tag", "v1", sha]);
  execFileSync("git", ["-C", bare, "tag", "dev", sha]);
  await commit("2", "dev");
  expect([await read(`${url}#v1`), await read(`${url}#dev`)]).toEqual(["1", "2"]);
});

test.for(["refs/pull/1/head", "pull/1/head"])("S8 what a stranger proposed, %s, is no template", async (ref) => {
  const { read, url, sha, bare } = await templateScene();
  execFileSync("git", ["-C", bare, "update-ref", "refs/pull/1/head", sha]);
  await expect(read(`${url}#${ref}`)).rejects.toMatchObject({ code: "template_unknown" });
});

test("S8 what is kept of templates goes by commit: a branch that moved gives its new ones, a commit always its own", async () => {
  const { read, url, sha, commit, fetches } = await templateScene({ templateRefreshMs: 0 });
  const pinned = `${url}#sha-${sha}`;
  expect([await read(`${url}#main`), await read(pinned)]).toEqual(["1", "1"]);
  const next = await commit("2");
  expect([await read(`${url}#main`), await read(pinned), await read(`${url}#sha-${next}`)]).toEqual(["2", "1", "2"]);
  const asked = await fetches();
  expect([await read(pinned), await read(`${url}#sha-${next}`), await fetches()]).toEqual(["1", "2", asked]);
});

test("S8 a language of one repository is not overwritten by another's of that name, kept or open at once", async () => {
  const server = await closingServer();
  const kept = { folder: await scratchFolder(), maxBytes: 1024 ** 3 };
  const { git } = await gitScene({ kept, templateRefreshMs: hour, reuseFiles: true });
  onTestFinished(() => git[Symbol.asyncDispose]());
  const name = uniqueName();
  const place = "template/go/Dockerfile";
  const create = (owner: string, text: string) =>
    server.createRepository(owner, name, { branch: "main", files: { [place]: text } });
  const [{ cloneUrl: mine }, { cloneUrl: theirs }] = [await create("o", "mine"), await create("x", "theirs")];
  await server.commit("x", name, { branch: "o", files: { [place]: "theirs, other branch" } });
  const sources = [mine, `${mine}#main`, theirs, `${theirs}#main`, `${theirs}#o`];
  const expected = ["mine", "mine", "theirs", "theirs", "theirs, other branch"];
  const read = async (url: string) => {
    await using checkout = await git.checkoutRef({ url }, { signal });
    return readFile(join(checkout.folder, place), "utf8");
  };
  for (const [at, source] of sources.entries()) expect(await read(source)).toBe(expected[at]);
  await server.close();
  await using open = new AsyncDisposableStack();
  const checkouts = await Promise.all(sources.map((url) => git.checkoutRef({ url }, { signal })));
  for (const checkout of checkouts) open.use(checkout);
  expect(await Promise.all(checkouts.map(({ folder }) => readFile(join(folder, place), "utf8")))).toEqual(expected);
});
