import { execFileSync } from "node:child_process";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { judgeGitVersion, readGitVersion } from "../../src/git/git-version.ts";
import { scratchFolder } from "./git-scene.ts";

const { signal } = new AbortController();

test.for([
  ["git version 2.50.1", "good", ""],
  ["git version 2.51.0 (Apple Git-160)", "good", ""],
  ["git version 3.0.0.rc1", "good", ""],
  ["git version 2.50.0", "good", "older than 2.50.1"],
  ["git version 2.39.5", "good", "older than 2.50.1"],
  ["git version 2.39.0", "doubtful", "CVE-2022-23521"],
  ["git version 2.30.7", "good", "older than 2.50.1"],
  ["git version 2.30.2", "doubtful", "CVE-2022-23521"],
  ["git version 2.29.9", "doubtful", "CVE-2022-23521"],
  ["git version 2.9", "doubtful", "CVE-2022-23521"],
  ["git version 1.99.9", "doubtful", "CVE-2022-23521"],
] as const)("G3 %s is %s", ([text, state, remark]) => {
  expect(judgeGitVersion(text)).toMatchObject({ state, remark: expect.stringContaining(remark) });
  expect(judgeGitVersion(text).remark === "").toBe(remark === "");
});

test("the git of this machine is asked", async () => {
  const text = execFileSync("git", ["--version"], { encoding: "utf8" });
  expect(text).toContain((await readGitVersion({ PATH: process.env.PATH }, { signal })).version);
});

test("where there is no git, or something else of its name, that is said", async () => {
  const bin = await scratchFolder();
  const read = () => readGitVersion({ PATH: bin }, { signal });
  await expect(read()).rejects.toThrow(expect.objectContaining({ code: "tool_missing" }));
  await writeFile(join(bin, "git"), "#!/bin/sh\necho hello\n");
  await chmod(join(bin, "git"), 0o755);
  await expect(read()).rejects.toThrow('git says "hello');
});
