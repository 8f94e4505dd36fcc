import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";
import { gitScene, listening, privateRepository, scratchFolder, silentServer, uniqueName } from "./git-scene.ts";

const { signal } = new AbortController();
let github: GithubServer;

beforeAll(async () => {
  github = await startGithubServer();
});
afterAll(() => github.close());

test("G7 no right to a repository is a fault without a prompt and without the token", async () => {
  const { git } = await gitScene();
  const { cloneUrl, sha } = await privateRepository(github);
  await expect(git.checkout({ url: cloneUrl, sha }, { signal })).rejects.toMatchObject({ code: "checkout_failed" });
  const wrong = git.checkout({ url: cloneUrl, sha, token: "ghs_wrong0wrong0wrong" }, { signal });
  const error = await wrong.catch((thrown: Error) => thrown);
  expect(error).toMatchObject({ code: "checkout_failed" });
  expect(JSON.stringify([String(error), (error as Error).stack, String((error as Error).cause)])).not.toContain(
    "ghs_wrong",
  );
});

test("G8 a commit that is not there any more is gone, which is no failure of the push", async () => {
  const { git } = await gitScene();
  const { cloneUrl } = await github.createRepository("o", uniqueName());
  await expect(git.checkout({ url: cloneUrl, sha: "1".repeat(40) }, { signal })).rejects.toMatchObject({
    code: "commit_gone",
    message: expect.stringContaining("1".repeat(40)),
  });
});

test.for([
  ["G1 an option as commit", { sha: "--upload-pack=touch /tmp/pwned" }],
  ["G1 a name as commit", { sha: "HEAD" }],
  ["G1 an option as address", { url: "--upload-pack=touch /tmp/pwned" }],
  ["G2 ext::", { url: "ext::sh -c id" }],
  ["G2 fd::", { url: "fd::17" }],
  ["G2 ssh with a proxy command", { url: "ssh://-oProxyCommand=id/x" }],
  ["G2 scp form", { url: "git@github.com:o/r.git" }],
  ["G6 file", { url: "file:///etc" }],
  ["G6 a path", { url: "/etc" }],
  ["G7 credentials in the address", { url: "https://user:password@127.0.0.1/o/r.git" }],
] as const)("%s is refused before git runs", async ([, change]) => {
  const { git } = await gitScene({ environment: { PATH: "/nonexistent" } });
  const want = { url: "http://127.0.0.1:1/o/r.git", sha: "1".repeat(40), ...change };
  await expect(git.checkout(want, { signal })).rejects.toMatchObject({
    code: "name_invalid",
    message: expect.not.stringContaining("password"),
  });
});

test("G2 outside of development only https is spoken", async () => {
  const { git } = await gitScene({ allowHttp: false });
  const { cloneUrl, sha } = await github.createRepository("o", uniqueName());
  const error = { code: "name_invalid", message: expect.stringContaining("expected https://HOST/PATH") };
  await expect(git.checkout({ url: cloneUrl, sha }, { signal })).rejects.toMatchObject(error);
  await expect(git.checkoutRef({ url: "file:///tmp/x.git" }, { signal })).rejects.toMatchObject(error);
});

test("G3 submodules are not fetched", async () => {
  const { git } = await gitScene();
  const inner = await github.createRepository("o", uniqueName());
  const { cloneUrl, sha } = await github.createRepository("o", uniqueName(), {
    files: { ".gitmodules": `[submodule "s"]\n\tpath = s\n\turl = ${inner.cloneUrl}\n`, "README.md": "x" },
  });
  await using checkout = await git.checkout({ url: cloneUrl, sha }, { signal });
  expect((await readdir(checkout.folder)).sort()).toEqual([".gitmodules", "README.md"]);
});

test("G3 a .gitmodules that smuggles an option is refused as it arrives (CVE-2018-17456)", async () => {
  const { git } = await gitScene();
  const { cloneUrl, sha } = await github.createRepository("o", uniqueName(), {
    files: { ".gitmodules": '[submodule "s"]\n\tpath = s\n\turl = -u./payload\n' },
  });
  await expect(git.checkout({ url: cloneUrl, sha }, { signal })).rejects.toMatchObject({
    code: "checkout_failed",
    message: expect.stringContaining("gitmodulesUrl"),
  });
});

test("G4 G10 filters, hooks, templates and settings of this machine do nothing", async () => {
  const home = await scratchFolder();
  const mark = join(home, "ran");
  await mkdir(join(home, "template/hooks"), { recursive: true });
  await writeFile(join(home, "template/hooks/post-checkout"), `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 });
  const settings = `[init]\n\ttemplateDir = ${home}/template\n[filter "evil"]\n\tsmudge = touch ${mark}; cat\n`;
  await writeFile(join(home, ".gitconfig"), settings);
  await writeFile(join(home, "global"), settings);
  const environment = {
    PATH: process.env.PATH,
    HOME: home,
    GIT_CONFIG_GLOBAL: join(home, "global"),
    GIT_TEMPLATE_DIR: join(home, "template"),
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "filter.evil.smudge",
    GIT_CONFIG_VALUE_0: `touch ${mark}; cat`,
    GIT_EXTERNAL_DIFF: `touch ${mark}`,
  };
  for (const [name, value] of Object.entries(environment)) {
    const before = process.env[name];
    process.env[name] = value;
    onTestFinished(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
  }
  const { git } = await gitScene({ environment });
  const { cloneUrl, sha } = await github.createRepository("o", uniqueName(), {
    files: { ".gitattributes": "*.txt filter=evil\n*.bin filter=lfs\n", "a.txt": "plain", "b.bin": "pointer" },
  });
  await using checkout = await git.checkout({ url: cloneUrl, sha }, { signal });
  expect(await readFile(join(checkout.folder, "a.txt"), "utf8")).toBe("plain");
  await expect(stat(mark)).rejects.toThrow("ENOENT");
});

test("G4 a link and a folder of one name but for case, and a filter, run nothing (CVE-2021-21300)", async () => {
  const folder = await scratchFolder();
  const mark = join(folder, "ran");
  // A filter that answers late is what lets git write through the link on a disk that knows no case.
  const driver = `[filter "late"]\n\tprocess = touch ${mark}\n\tsmudge = touch ${mark}; cat\n\trequired = true\n`;
  await writeFile(join(folder, "system"), driver);
  const real = execFileSync("sh", ["-c", "command -v git"], { encoding: "utf8" }).trim();
  await writeFile(join(folder, "git"), `#!/bin/sh\nGIT_CONFIG_SYSTEM=${folder}/system exec ${real} "$@"\n`, {
    mode: 0o755,
  });
  const { git, temporaryFolder } = await gitScene({ environment: { PATH: `${folder}:${process.env.PATH}` } });
  const hook = { content: `#!/bin/sh\ntouch ${mark}\n`, mode: "100755" } as const;
  const { cloneUrl, sha } = await github.createRepository("o", uniqueName(), {
    files: {
      ".gitattributes": "A/post-checkout filter=late\nA/other filter=late\n",
      "A/other": "x",
      "A/post-checkout": hook,
      a: { content: ".git/hooks", mode: "120000" },
    },
  });
  await using checkout = await git.checkout({ url: cloneUrl, sha }, { signal });
  expect((await readdir(checkout.folder)).sort()).toEqual([".gitattributes", "A", "a"]);
  expect((await readdir(join(checkout.folder, "A"))).sort()).toEqual(["other", "post-checkout"]);
  expect(await readdir(temporaryFolder)).toHaveLength(1);
  await expect(stat(mark)).rejects.toThrow("ENOENT");
});

test("G10 line ends and export rules of a repository change nothing", async () => {
  const { git } = await gitScene();
  const { cloneUrl, sha } = await github.createRepository("o", uniqueName(), {
    files: { ".gitattributes": "a export-subst\nb export-ignore\n", a: "$Format:%H$\r\n", b: "x" },
  });
  await using checkout = await git.checkout({ url: cloneUrl, sha }, { signal });
  expect(await readFile(join(checkout.folder, "a"), "utf8")).toBe("$Format:%H$\r\n");
  expect(await readdir(checkout.folder)).toContain("b");
});

test("G7 what a server writes comes out in one clean line", async () => {
  const { git } = await gitScene();
  const hostile = createServer((_request, response) => {
    const line = "ERR \u001b[31mred\u001b[0m\u0007 https://user:password@host/ second\rline";
    const packet = (text: string) => (text.length + 4).toString(16).padStart(4, "0") + text;
    response.writeHead(200, { "content-type": "application/x-git-upload-pack-advertisement" });
    response.end(`${packet("# service=git-upload-pack\n")}0000${packet(line)}`);
  });
  const url = `${await listening(hostile)}/o/r.git`;
  const error = await git.checkout({ url, sha: "1".repeat(40) }, { signal }).catch((thrown: Error) => thrown);
  expect(error).toMatchObject({
    code: "checkout_failed",
    message: expect.stringMatching(/: fatal: remote error: \P{Cc}*https:\/\/\*\*\*@host\/ second\P{Cc}*$/u),
  });
});

test("G8 a server that says nothing costs no more than the limit", async () => {
  const { git } = await gitScene({ limits: { timeMs: 1000 } });
  const url = `${await listening(silentServer().server)}/o/r.git`;
  await expect(git.checkout({ url, sha: "1".repeat(40) }, { signal })).rejects.toMatchObject({
    code: "checkout_failed",
    message: expect.stringMatching(/took longer than 1 s/),
  });
});

test.for([
  ["too many files", { maxFiles: 2 }, /more than 2 files/],
  ["too many bytes", { maxBytes: 10_000 }, /larger than 10000 bytes/],
] as const)("G8 %s are refused before they are written", async ([, limits, message]) => {
  const { git } = await gitScene({ limits });
  const zeros = Buffer.alloc(20_000);
  const { cloneUrl, sha } = await github.createRepository("o", uniqueName(), { files: { a: zeros, b: "", c: "" } });
  await expect(git.checkout({ url: cloneUrl, sha }, { signal })).rejects.toMatchObject({
    code: "context_invalid",
    message,
  });
});
