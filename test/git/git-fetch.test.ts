import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer, request as sendRequest } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";
import { gitScene, listening, scratchFolder, uniqueName } from "./git-scene.ts";

const { signal } = new AbortController();
let github: GithubServer;

beforeAll(async () => {
  github = await startGithubServer();
});
afterAll(() => github.close());

const bareOf = (name: string) => join(github.folder, "o", `${name}.git`);

/** A way to a repository on which the bytes are counted that its server sends. */
async function counted(cloneUrl: string): Promise<{ url: string; bytes(): number }> {
  let bytes = 0;
  const { origin, pathname } = new URL(cloneUrl);
  const server = createServer((request, response) => {
    const { method, headers } = request;
    const onward = sendRequest(origin + request.url, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  return { url: (await listening(server)) + pathname, bytes: () => bytes };
}

test("G8 what is checked out is what was asked for: a tag that is an object of its own is no commit", async () => {
  const { git } = await gitScene();
  const name = uniqueName();
  const { cloneUrl, sha } = await github.createRepository("o", name);
  const author = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
  execFileSync("git", ["-C", bareOf(name), ...author, "tag", "-a", "-m", "t", "v1", sha]);
  const tag = execFileSync("git", ["-C", bareOf(name), "rev-parse", "v1"], { encoding: "utf8" }).trim();
  await expect(git.checkout({ url: cloneUrl, sha: tag }, { signal })).rejects.toMatchObject({
    code: "checkout_failed",
    message: `${cloneUrl} answered ${sha} when asked for ${tag}`,
  });
});

test("G8 the history of a commit is not fetched", async () => {
  const { git } = await gitScene();
  const name = uniqueName();
  const { cloneUrl } = await github.createRepository("o", name, { files: { old: randomBytes(300_000) } });
  const sha = await github.commit("o", name, { files: { old: null, small: "x" } });
  const { url, bytes } = await counted(cloneUrl);
  await using checkout = await git.checkout({ url, sha }, { signal });
  expect(await readFile(join(checkout.folder, "small"), "utf8")).toBe("x");
  expect(bytes()).toBeLessThan(20_000);
});

test("G8 a file that is too large is not sent by a server that can leave it out", async () => {
  const { git } = await gitScene({ limits: { maxBytes: 200_000 } });
  const name = uniqueName();
  const files = { large: randomBytes(1_000_000), small: "x" };
  const { cloneUrl, sha } = await github.createRepository("o", name, { files });
  execFileSync("git", ["-C", bareOf(name), "config", "uploadpack.allowFilter", "true"]);
  const { url, bytes } = await counted(cloneUrl);
  await expect(git.checkout({ url, sha }, { signal })).rejects.toMatchObject({
    code: "context_invalid",
    message: expect.stringContaining("larger than 200000 bytes"),
  });
  expect(bytes()).toBeLessThan(20_000);
});

test("G8 of a repository with very many refs only what is asked for is told", async () => {
  const { git } = await gitScene();
  const name = uniqueName();
  const { cloneUrl, sha } = await github.createRepository("o", name, { branch: "main", files: { file: "x" } });
  const { url, bytes } = await counted(cloneUrl);
  const addRefs = (...places: readonly string[]) => {
    const lines = Array.from({ length: 50_000 }, (_, at) => places.map((place) => `${sha} ${place}/${at}\n`).join(""));
    return writeFile(join(bareOf(name), "packed-refs"), `# pack-refs with: peeled fully-peeled \n${lines.join("")}`);
  };
  await addRefs("refs/pull");
  expect(await git.headOf({ url, ref: "refs/heads/main" }, { signal })).toEqual([sha]);
  await addRefs("refs/pull", "refs/heads/many");
  expect(await git.headOf({ url, ref: "refs/tags/v1" }, { signal })).toEqual([]);
  for (const open of [
    () => git.checkout({ url, sha }, { signal }),
    () => git.checkoutRef({ url: `${url}#main` }, { signal }),
    () => git.checkoutRef({ url }, { signal }),
  ]) {
    await using checkout = await open();
    expect(checkout.sha).toBe(sha);
  }
  expect(bytes()).toBeLessThan(50_000);
});

test("S8 a source of templates that redirects elsewhere is not followed", async () => {
  const { git } = await gitScene();
  const { cloneUrl } = await github.createRepository("o", uniqueName());
  const { url, bytes } = await counted(cloneUrl);
  const redirecting = createServer((request, response) => {
    response.writeHead(302, { location: url + String(request.url).slice("/o/r.git".length) }).end();
  });
  const source = `${await listening(redirecting)}/o/r.git`;
  for (const ref of ["", "#main", `#sha-${"1".repeat(40)}`, "#sha-1111111"])
    await expect(git.checkoutRef({ url: source + ref }, { signal })).rejects.toMatchObject({ code: "checkout_failed" });
  expect(bytes()).toBe(0);
});

test("G4 G10 filters and attributes of the system's settings do nothing, Git LFS included", async () => {
  const folder = await scratchFolder();
  const mark = join(folder, "ran");
  const driver = (name: string) =>
    `[filter "${name}"]\n\tsmudge = touch ${mark}; cat\n\tclean = touch ${mark}; cat\n\trequired = true\n`;
  const settings = `${driver("lfs")}${driver("all")}[core]\n\tattributesFile = ${folder}/attributes\n`;
  await writeFile(join(folder, "system"), settings);
  await writeFile(join(folder, "attributes"), "* filter=all\n");
  // A git whose system settings are these, as if they stood in /etc/gitconfig.
  const real = execFileSync("sh", ["-c", "command -v git"], { encoding: "utf8" }).trim();
  const bin = join(folder, "bin");
  await mkdir(bin);
  await writeFile(join(bin, "git"), `#!/bin/sh\nGIT_CONFIG_SYSTEM=${folder}/system exec ${real} "$@"\n`);
  await chmod(join(bin, "git"), 0o755);
  const { git } = await gitScene({ environment: { PATH: `${bin}:${process.env.PATH}` } });
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 9\n`;
  const { cloneUrl, sha } = await github.createRepository("o", uniqueName(), {
    files: { ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "a.bin": pointer, "b.txt": "plain" },
  });
  await using checkout = await git.checkout({ url: cloneUrl, sha }, { signal });
  expect(await readFile(join(checkout.folder, "a.bin"), "utf8")).toBe(pointer);
  expect(await readFile(join(checkout.folder, "b.txt"), "utf8")).toBe("plain");
  await expect(stat(mark)).rejects.toThrow("ENOENT");
});
