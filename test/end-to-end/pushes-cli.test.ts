import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pushOfFolder } from "../../src/compose/deliver.ts";
import { eventually } from "../database/scratch.ts";
import { createInstallation, type Installation, owner, type Serving, stackOf } from "./serving.ts";

const run = promisify(execFile);
const main = join(import.meta.dirname, "../../src/cli/main.ts");
let installation: Installation;
let serving: Serving;
let token: string;

beforeAll(async () => {
  installation = await createInstallation();
  serving = await installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

async function cli(...given: readonly (string | { folder: string })[]) {
  const args = given.filter((arg) => typeof arg === "string");
  const { folder: cwd = installation.folder } = given.find((arg) => typeof arg === "object") ?? {};
  const env = {
    PATH: process.env.PATH,
    HOME: installation.folder,
    ...installation.settings,
    OF_BUILDER_SERVER: serving.address,
    OF_BUILDER_TOKEN: token,
  };
  try {
    const { stdout, stderr } = await run(process.execPath, [main, ...args], { env, cwd });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

test("of-builder token makes a token once, and says what is wrong with others", async () => {
  const made = await cli("token", "cli", "--scope", "read,write");
  expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ofb_[\w-]{43}\n$/) });
  token = made.stdout.trim();
  expect(await cli("token", "cli")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is a token "cli"'),
  });
  expect(await cli("token", "x y")).toMatchObject({ code: 2 });
  expect(await cli("token", "z", "--scope", "all")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("expected read, write"),
  });
});

describe("a push that of-builder deliver sent", () => {
  const guid = "99999999-2222-3333-4444-555555555555";

  beforeAll(async () => {
    const files = stackOf({ good: "FROM busybox\nRUN echo printed\n", bad: "FROM busybox\nRUN exit 3\n" });
    const { sha } = await installation.github.createRepository(owner, "fns", { files, branch: "main" });
    const payload = join(installation.folder, "payload.json");
    await writeFile(
      payload,
      JSON.stringify(installation.github.pushPayload({ owner, name: "fns", sha, branch: "main" })),
    );
    const sent = await cli("deliver", "--to", serving.address, "--file", payload, "--guid", guid);
    expect(sent).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(new RegExp(`^${guid}  HTTP 202  Alice/fns at `)),
    });
  });

  test("is followed to its end, function by function, with an exit code that says how it went", async () => {
    const { code, stdout, stderr } = await cli("logs", guid, "--follow");
    expect(stdout).toMatch(/^good \| #\d+ \d\.\d+ printed$/m);
    expect(stdout).toMatch(/^bad \| failed: .*exit code/m);
    expect(stderr).toContain("1 of 2 functions failed: bad");
    expect(code).toBe(1);
    expect((await cli("logs", guid, "good", "--follow")).code).toBe(0);
    expect((await cli("logs", guid, "good")).stdout).toMatch(/^#\d+ \d\.\d+ printed$/m);
  });

  test("is listed and shown", async () => {
    expect((await cli("pushes", "--owner", "alice")).stdout).toMatch(new RegExp(`^${guid}  .*failure .*alice/fns@`));
    const { stdout } = await cli("pushes", guid);
    expect(stdout).toMatch(/built {6}good .*@sha256:/);
    expect(stdout).toMatch(/failed {5}bad .*exit code/);
    expect(JSON.parse((await cli("pushes", guid, "--json")).stdout)).toMatchObject({ id: guid, state: "failure" });
    expect((await cli("pushes", "--state", "running")).stdout).toBe("there are no pushes\n");
  });

  test("is built again, and cancelled too late", async () => {
    const rebuilt = await cli("rebuild", guid, "--force", "--function", "good", "--follow");
    expect([rebuilt.code, rebuilt.stdout]).toEqual([0, expect.stringMatching(/^[\w-]{36}\n(?:.*\n)*good \| /)]);
    expect((await cli("cancel", guid)).stdout).toBe(`push ${guid} had ended before\n`);
  });

  test("is cancelled while it runs, by the command line as by HTTP", async () => {
    const endless = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid && sleep 600\n";
    const { github } = installation;
    const { sha } = await github.createRepository(owner, "endless", { files: stackOf({ endless }), branch: "main" });
    const runs: string[] = [];
    for (const cancel of [
      async (id: string) => (await cli("cancel", id)).stdout,
      async (id: string) => {
        const headers = { authorization: `Bearer ${token}` };
        const answer = await fetch(`${serving.address}/api/pushes/${id}/cancel`, { method: "POST", headers });
        return answer.json();
      },
    ]) {
      const id = randomUUID();
      await installation.push(serving, { name: "endless", sha, branch: "main", guid: id });
      const show = async () => JSON.parse((await cli("pushes", id, "--json")).stdout);
      await eventually(async () =>
        (await show()).functions?.some(({ state }: { state: string }) => state === "running"),
      );
      runs.push(JSON.stringify(await cancel(id)));
      const ended = await eventually(async () => {
        const push = await show();
        return push.state !== "running" && push;
      });
      expect(ended).toMatchObject({ state: "cancelled", functions: [{ name: "endless", state: "cancelled" }] });
      // Nobody follows an end that does not come: the log says so, and how.
      expect((await cli("logs", id, "--follow")).code).toBe(1);
    }
    expect(runs).toEqual([expect.stringContaining("is cancelled"), '{"result":"cancelled"}']);
    expect(await installation.ended(sha)).toMatchObject({ endless: expect.stringMatching(/^error: cancelled/) });
  });

  test("is delivered once more as it was stored, and not built twice", async () => {
    const again = await cli("deliver", guid, "--to", serving.address);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringMatching(new RegExp(`^${guid}  HTTP 202  `)) });
    const shown = JSON.parse((await cli("deliveries", "show", guid, "--json")).stdout);
    expect(shown).toMatchObject({ attempts: 1, run: guid, state: "failure" });
    expect((await cli("deliver", guid, "--event", "ping")).stderr).toContain("leave out --event and --file");
    expect((await cli("deliver", "nothing")).stderr).toContain('there is no delivery "nothing"');
  });

  test("is told to be none where it is none", async () => {
    const nothing = await cli("logs", "nothing", "--follow");
    expect(nothing).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the server says: there is no push "nothing"'),
    });
    token = "ofb_wrong";
    expect(await cli("pushes")).toMatchObject({ code: 1, stderr: expect.stringContaining("none of this server's") });
  });
});

test("of-builder deliver sends a push of what the current folder has checked out", async () => {
  const folder = join(installation.folder, "clone");
  const git = (...args: readonly string[]) => run("git", ["-C", folder, ...args]);
  await mkdir(folder);
  await git("init", "--initial-branch", "main");
  await git("-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--allow-empty", "-m", "first\n\n[skip ci]");
  await git("remote", "add", "origin", "git@github.com:Alice/hello.git");
  const { stdout: sha } = await git("rev-parse", "HEAD");
  expect(await pushOfFolder(folder, { signal: new AbortController().signal })).toMatchObject({
    ref: "refs/heads/main",
    after: sha.trim(),
    repository: { name: "hello", owner: { login: "Alice" } },
    head_commit: { id: sha.trim(), message: "first\n\n[skip ci]" },
  });
  const sent = await cli({ folder }, "deliver", "--to", serving.address);
  expect(sent).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("HTTP 202  skipping build: the commit says [skip ci]"),
  });
});

test("of-builder deliver says what a server refuses", async () => {
  const wrong = join(installation.folder, "wrong");
  await writeFile(wrong, "another secret");
  const ping = await cli("deliver", "--to", serving.address, "--event", "ping");
  expect(ping).toMatchObject({ code: 0, stdout: expect.stringContaining("HTTP 202") });
  const refused = await cli("deliver", "--to", serving.address, "--event", "ping", "--secret-file", wrong);
  expect(refused).toMatchObject({ code: 1, stdout: expect.stringContaining("HTTP 401") });
  expect(await cli("deliver", "--to", serving.address)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("is no clone"),
  });
});
