import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkName } from "../../src/model/git-names.ts";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";
import { gitScene, uniqueName } from "./git-scene.ts";

const { signal } = new AbortController();
let github: GithubServer;

beforeAll(async () => {
  github = await startGithubServer();
});
afterAll(() => github.close());

/** simple-git looks for settings that would let a transport run a program, and did not know these forms of them. */
const settings = [
  ["CVE-2026-28292", "-c PROTOCOL.ALLOW=always"],
  ["CVE-2026-28292", "-cPROTOCOL.EXT.ALLOW=always"],
  ["CVE-2026-28292", "-c"],
  ["CVE-2026-6951", "--config=protocol.allow=always"],
  ["CVE-2026-6951", "--config protocol.ext.allow=always"],
  ["CVE-2026-6951", "--CONFIG=PROTOCOL.ALLOW=always"],
] as const;

test.for(settings)("G1 %s: %j is no owner, repository, branch, commit or address", async ([, text]) => {
  for (const kind of ["owner", "repository", "branch", "commit"] as const)
    expect(() => checkName(kind, text)).toThrow(expect.objectContaining({ code: "name_invalid" }));
  const { git } = await gitScene({ environment: { PATH: "/nonexistent" } });
  const url = "http://127.0.0.1:1/o/r.git";
  for (const ask of [
    () => git.checkout({ url: text, sha: "1".repeat(40) }, { signal }),
    () => git.checkout({ url, sha: text }, { signal }),
    () => git.headOf({ url: text, ref: "refs/heads/main" }, { signal }),
    () => git.checkoutRef({ url: text }, { signal }),
    () => git.checkoutRef({ url, ref: text }, { signal }),
    () => git.checkoutRef({ url: `${url}#${encodeURIComponent(text)}` }, { signal }),
  ])
    await expect(ask()).rejects.toMatchObject({ code: "name_invalid" });
});

test("G1 CVE-2026-28292: a setting without its option is the name of a branch and of a folder, and sets nothing", async () => {
  const { git } = await gitScene();
  const branch = "PROTOCOL.ALLOW=always";
  const { cloneUrl, sha } = await github.createRepository("o", uniqueName(), { branch, files: { file: "x" } });
  await using checkout = await git.checkoutRef({ url: cloneUrl, ref: branch }, { signal });
  expect(checkout.sha).toBe(sha);
  await expect(git.checkoutRef({ url: `${cloneUrl}/${branch}` }, { signal })).rejects.toMatchObject({
    code: "checkout_failed",
  });
});

test("G1 the simple-git that is installed knows these settings: at least 3.36.0", async () => {
  const lock = await readFile(join(import.meta.dirname, "../../package-lock.json"), "utf8");
  const { packages } = JSON.parse(lock) as { packages: Record<string, { version: string }> };
  const found = Object.entries(packages).filter(([place]) => /(?:^|\/)node_modules\/simple-git$/.test(place));
  const parts = found.map(([, { version }]) => version.split(".").map(Number));
  expect(parts.map(([major = 0, minor = 0]) => major > 3 || (major === 3 && minor >= 36))).toEqual([true]);
});
