import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";
import { gitScene, listening, privateRepository, silentServer, uniqueName } from "./git-scene.ts";

const { signal } = new AbortController();
let github: GithubServer;

beforeAll(async () => {
  github = await startGithubServer();
});
afterAll(() => github.close());

test("a branch's head is its newest commit, and of what is not there nothing is said", async () => {
  const { git } = await gitScene();
  const name = uniqueName();
  const { cloneUrl: url } = await github.createRepository("o", name, { branch: "main" });
  const sha = await github.commit("o", name, { files: { x: "x" }, branch: "main" });
  await github.commit("o", name, { files: { y: "y" }, branch: "not/main" });
  const head = (ref: string) => git.headOf({ url, ref }, { signal });
  expect(await head("refs/heads/main")).toEqual([sha]);
  expect(await head("refs/heads/gone")).toEqual([]);
  expect(await head("refs/heads/*")).toEqual([]);
  expect(await head("--upload-pack=touch /tmp/x")).toEqual([]);
});

test("a tag that is an object of its own is known by that and by its commit", async () => {
  const { git } = await gitScene();
  const name = uniqueName();
  const { cloneUrl: url, sha } = await github.createRepository("o", name);
  const folder = join(github.folder, "o", `${name}.git`);
  const who = ["-c", "user.name=x", "-c", "user.email=x@example.com"];
  execFileSync("git", [...who, "-C", folder, "tag", "-a", "-m", "first", "v1", sha]);
  const tag = execFileSync("git", ["-C", folder, "rev-parse", "v1"], { encoding: "utf8" }).trim();
  expect(await git.headOf({ url, ref: "refs/tags/v1" }, { signal })).toEqual([tag, sha]);
});

test("K1 a private repository's head is asked for with a token that no error repeats", async () => {
  const { git } = await gitScene();
  const { cloneUrl: url, sha, token } = await privateRepository(github);
  expect(await git.headOf({ url, ref: "refs/heads/master", token }, { signal })).toEqual([sha]);
  const refused = git.headOf({ url, ref: "refs/heads/master", token: "ghs_wrong" }, { signal });
  await expect(refused).rejects.toMatchObject({ code: "checkout_failed" });
  await expect(refused).rejects.not.toThrow(/ghs_wrong/);
});

test("a server that does not answer is left when the signal says so", async () => {
  const { git } = await gitScene();
  const { server, asked } = silentServer();
  const url = `${await listening(server)}/o/r.git`;
  const stop = new AbortController();
  const asking = git.headOf({ url, ref: "refs/heads/main" }, { signal: stop.signal });
  await asked;
  stop.abort(new Error("enough"));
  await expect(asking).rejects.toThrow("enough");
});
