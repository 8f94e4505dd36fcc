import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, readdir, rm, truncate, utimes, watch } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";
import { scratchFolder } from "./git-scene.ts";
import { keepingScene, largeRepository } from "./keeping-scene.ts";

let github: GithubServer;

beforeAll(async () => {
  github = await startGithubServer();
});
afterAll(() => github.close());

test.for([
  ["a pack is gone", (pack: string) => rm(pack)],
  ["a pack is empty", (pack: string) => truncate(pack, 0)],
  ["nothing but commits are there", (pack: string) => rm(join(pack, "../.."), { recursive: true })],
] as const)("a mirror is thrown away and made anew where %s", async ([, breakIt]) => {
  const { read, mirrors, packSizes } = await keepingScene();
  const { url, sha, push } = await largeRepository(github);
  const breakMirror = async () => {
    const [mirror = ""] = await mirrors();
    const packs = join(mirror, "objects/pack");
    const [pack = ""] = (await readdir(packs)).filter((name) => name.endsWith(".pack"));
    await breakIt(join(packs, pack));
  };
  await read({ url, sha }, "large");
  await breakMirror();
  expect(await read({ url, sha }, "version")).toBe("1");
  await breakMirror();
  expect(await read({ url, sha: await push("2") }, "version")).toBe("2");
  expect((await packSizes())[0]).toBeGreaterThan(200_000);
});

test.for([1, 3])("a process that is killed at the change %i of a mirror leaves one that works", async (changes) => {
  const { read, repositories } = await keepingScene();
  const { url, sha, push } = await largeRepository(github);
  const shas = [sha, await push("2"), await push("3")];
  await mkdir(repositories);
  const script = fileURLToPath(new URL("fetch-for-ever.ts", import.meta.url));
  const places = [await scratchFolder(), join(repositories, "..")];
  const child = spawn(process.execPath, [script, ...places, url, ...shas], { detached: true, stdio: "ignore" });
  const ended = once(child, "exit");
  let seen = 0;
  for await (const _change of watch(repositories)) if (++seen === changes) break;
  process.kill(-(child.pid ?? 0), "SIGKILL");
  await ended;
  expect(await Promise.all(shas.map((each) => read({ url, sha: each }, "version")))).toEqual(["1", "2", "3"]);
  expect(await read({ url, sha: await push("4") }, "version")).toBe("4");
});

test("what a killed process was making counts for nothing, and goes after an hour", async () => {
  const { read, repositories } = await keepingScene();
  const { url, sha, push } = await largeRepository(github);
  for (const name of ["incoming-new", "incoming-old"]) {
    await mkdir(join(repositories, name, "objects/pack"), { recursive: true });
  }
  const longAgo = new Date(Date.now() - 2 * 3_600_000);
  await utimes(join(repositories, "incoming-old"), longAgo, longAgo);
  await read({ url, sha }, "version");
  const [mirror = ""] = (await readdir(repositories)).filter((name) => !name.startsWith("incoming-"));
  await appendFile(join(repositories, mirror, "objects/pack/tmp_pack_x"), "half");
  await appendFile(join(repositories, mirror, "objects/pack/pack-1234.pack"), "half");
  expect(await read({ url, sha: await push("2") }, "version")).toBe("2");
  expect((await readdir(repositories)).toSorted()).toEqual([mirror, "incoming-new"].toSorted());
});
