import { execFileSync } from "node:child_process";
import { chmod, readdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";
import { gitScene, listening, privateRepository, scratchFolder, silentServer, uniqueName } from "./git-scene.ts";

const { signal } = new AbortController();
let github: GithubServer;

beforeAll(async () => {
  github = await startGithubServer();
});
afterAll(() => github.close());

/** Processes whose working folder lies in a folder. */
async function processesIn(folder: string): Promise<readonly string[]> {
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const places = await Promise.all(ids.map((id) => readlink(`/proc/${id}/cwd`).catch(() => "")));
  return places.filter((place) => place.startsWith(folder));
}

test("what a commit's author says of it comes with its files, and of a very long word the beginning", async () => {
  const { git } = await gitScene();
  const name = uniqueName();
  const { cloneUrl } = await github.createRepository("o", name);
  const said = async (message: string) => {
    const sha = await github.commit("o", name, { files: { [message.length]: "" }, message });
    await using checkout = await git.checkout({ url: cloneUrl, sha }, { signal });
    return checkout.message;
  };
  expect(await said("ä subject\n\na body\n\nskip-checks: true\n")).toBe("ä subject\n\na body\n\nskip-checks: true");
  const long = await said(`long\n\n${"x".repeat(1_000_000)}`);
  expect([long.slice(0, 8), long.length <= 10_000]).toEqual(["long\n\nxx", true]);
});

test("exactly the pushed commit is checked out, and the folder removes itself", async () => {
  const { git, temporaryFolder } = await gitScene();
  const name = uniqueName();
  const { cloneUrl } = await github.createRepository("o", name, { files: { old: "1" } });
  const files = {
    "stack.yml": "a\n",
    "fn/run.sh": { content: "#!/bin/sh\n", mode: "100755" },
    link: { content: "fn/run.sh", mode: "120000" },
    old: null,
  } as const;
  const sha = await github.commit("o", name, { files, time: 1_700_000_000 });
  await github.commit("o", name, { files: { newer: "2" } });
  {
    await using checkout = await git.checkout({ url: cloneUrl, sha }, { signal });
    expect(checkout).toMatchObject({ sha, committedAt: 1_700_000_000 });
    expect((await readdir(checkout.folder)).sort()).toEqual(["fn", "link", "stack.yml"]);
    expect((await stat(join(checkout.folder, "fn/run.sh"))).mode & 0o777).toBe(0o755);
    expect(await readlink(join(checkout.folder, "link"))).toBe("fn/run.sh");
    expect(await readdir(temporaryFolder)).toHaveLength(1);
  }
  expect(await readdir(temporaryFolder)).toEqual([]);
});

test("many checkouts of one repository at once do not meet", async () => {
  const { git } = await gitScene();
  const name = uniqueName();
  const { cloneUrl, sha } = await github.createRepository("o", name, { files: { version: "0" } });
  const shas = [sha];
  for (const version of ["1", "2", "3"]) shas.push(await github.commit("o", name, { files: { version } }));
  const checkouts = await Promise.all(shas.map((each) => git.checkout({ url: cloneUrl, sha: each }, { signal })));
  const versions = await Promise.all(checkouts.map(({ folder }) => readFile(join(folder, "version"), "utf8")));
  await Promise.all(checkouts.map((checkout) => checkout[Symbol.asyncDispose]()));
  expect(versions).toEqual(["0", "1", "2", "3"]);
});

test("a private repository needs its token, which is in no argument, address, log or file", async () => {
  const seen: string[] = [];
  const log = { debug: note, info: note, warn: note, error: note, child: () => log };
  function note(...all: unknown[]) {
    seen.push(JSON.stringify(all));
  }
  const bin = await scratchFolder();
  const real = execFileSync("sh", ["-c", "command -v git"], { encoding: "utf8" }).trim();
  const spy = `#!/bin/sh\nprintf '%s\\n' "$@" >> ${bin}/arguments\nenv | cut -d= -f1 >> ${bin}/names\nexec ${real} "$@"\n`;
  await writeFile(join(bin, "git"), spy);
  await chmod(join(bin, "git"), 0o755);
  const { git } = await gitScene({
    log,
    environment: { PATH: `${bin}:${process.env.PATH}`, GIT_TRACE: "2", SECRET: "x" },
  });
  const { cloneUrl, sha, token } = await privateRepository(github);
  await using checkout = await git.checkout({ url: cloneUrl, sha, token }, { signal });
  const written = await readdir(join(checkout.folder, ".."), { recursive: true, withFileTypes: true });
  const files = written.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const kept = await Promise.all([...files, join(bin, "arguments")].map((file) => readFile(file, "utf8")));
  const forms = [token, btoa(`x-access-token:${token}`)];
  expect(forms.filter((form) => [...kept, ...seen].some((text) => text.includes(form)))).toEqual([]);
  expect(await readFile(join(bin, "arguments"), "utf8")).toContain("fetch");
  const variables = new Set((await readFile(join(bin, "names"), "utf8")).split("\n"));
  expect([variables.has("GIT_TRACE"), variables.has("SECRET"), variables.has("GIT_CONFIG_COUNT")]).toEqual([
    false,
    false,
    true,
  ]);
});

test("an abort ends git, removes the folder, and throws the aborter's reason", async () => {
  const { git, temporaryFolder } = await gitScene();
  const { server, asked } = silentServer();
  const url = `${await listening(server)}/o/r.git`;
  const leave = new AbortController();
  const checkout = git.checkout({ url, sha: "1".repeat(40) }, { signal: leave.signal });
  await asked;
  leave.abort(new Error("leaving"));
  await expect(checkout).rejects.toThrow("leaving");
  expect(await readdir(temporaryFolder)).toEqual([]);
  await expect.poll(() => processesIn(temporaryFolder), { timeout: 60_000 }).toEqual([]);
  await expect(git.checkout({ url, sha: "1".repeat(40) }, { signal: leave.signal })).rejects.toThrow("leaving");
});

test("a git that is not installed is named", async () => {
  const { git } = await gitScene({ environment: { PATH: "/nonexistent" } });
  const want = { url: "http://127.0.0.1:1/o/r.git", sha: "1".repeat(40) };
  await expect(git.checkout(want, { signal })).rejects.toMatchObject({ code: "tool_missing" });
});

test("a server that is down is a fault that may pass", async () => {
  const { git } = await gitScene();
  const want = { url: "http://127.0.0.1:1/o/r.git", sha: "1".repeat(40) };
  await expect(git.checkout(want, { signal })).rejects.toMatchObject({ code: "checkout_failed", transient: true });
});

test("templates come from a branch, a tag, a commit or what is newest", async () => {
  const { git } = await gitScene();
  const name = uniqueName();
  const { cloneUrl, sha } = await github.createRepository("o", name, { branch: "main", files: { version: "1" } });
  const dev = await github.commit("o", name, { branch: "dev/x", files: { version: "2" } });
  await github.commit("o", name, { branch: "main", files: { version: "3" } });
  const bare = join(github.folder, "o", `${name}.git`);
  const author = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
  execFileSync("git", ["-C", bare, ...author, "tag", "-a", "-m", "t", "v1", sha]);
  const read = async (want: { url: string; ref?: string }) => {
    await using checkout = await git.checkoutRef(want, { signal });
    return readFile(join(checkout.folder, "version"), "utf8");
  };
  expect(await read({ url: cloneUrl })).toBe("3");
  expect(await read({ url: `${cloneUrl}#dev/x` })).toBe("2");
  expect(await read({ url: `${cloneUrl}#dev/x`, ref: "v1" })).toBe("1");
  expect(await read({ url: `${cloneUrl}#v1` })).toBe("1");
  for (const digits of [dev, dev.toUpperCase(), dev.slice(0, 7), dev.slice(0, 9).toUpperCase()])
    expect(await read({ url: `${cloneUrl}#sha-${digits}` })).toBe("2");
  expect(await read({ url: cloneUrl, ref: sha })).toBe("1");
  expect(await read({ url: `file://${bare}` })).toBe("3");
  await expect(read({ url: `${cloneUrl}#gone` })).rejects.toMatchObject({
    code: "template_unknown",
    message: expect.stringContaining("gone of http://"),
  });
});

test("G1 an option is no branch of templates", async () => {
  const { git } = await gitScene();
  const { cloneUrl } = await github.createRepository("o", uniqueName());
  const url = `${cloneUrl}#--upload-pack=id`;
  await expect(git.checkoutRef({ url }, { signal })).rejects.toMatchObject({ code: "name_invalid" });
});

test("a repository whose commits have 64 digits is checked out as well", async () => {
  const { git } = await gitScene();
  const folder = await scratchFolder();
  execFileSync("git", ["init", "--quiet", "--object-format=sha256", folder]);
  await writeFile(join(folder, "a"), "b");
  execFileSync("git", ["-C", folder, "add", "a"]);
  execFileSync("git", ["-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "x"]);
  const sha = execFileSync("git", ["-C", folder, "rev-parse", "HEAD"], { encoding: "utf8" }).trim();
  await using checkout = await git.checkoutRef({ url: `file://${folder}`, ref: sha }, { signal });
  expect(checkout.sha).toBe(sha);
});
