import { beforeAll, expect, onTestFinished, test } from "vitest";
import { createGithubApp, type GithubAppOptions } from "../../src/github/app.ts";
import { createLog } from "../../src/log.ts";
import type { Fault } from "../github-server/faults.ts";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";

const { signal } = new AbortController();
const tokens = "access_tokens";

async function scene(options: Partial<GithubAppOptions> = {}) {
  const github = await startGithubServer();
  onTestFinished(() => github.close());
  const { id } = await github.createRepository("octocat", "fns");
  const app = createGithubApp({
    appId: github.appId,
    privateKey: async () => github.privateKeyPem,
    apiUrl: github.apiUrl,
    way: "check",
    webUrl: "https://github.com",
    log: createLog("silent"),
    backoffMs: 1,
    ...options,
  });
  const scope = { installationId: github.installationId, repositoryId: id, permissions: { contents: "read" } } as const;
  return { github, app, scope };
}

const callsOf = (github: GithubServer, part: string) => github.calls.filter((call) => call.includes(part)).length;

// The description of GitHub's API takes a while to read.
beforeAll(async () => {
  await using github = await startGithubServer();
  await fetch(`${github.apiUrl}/repos/a/b`);
});

test("K1 a token is narrowed to one repository and to what it is for", async () => {
  const { github, app, scope: ours } = await scene();
  const other = await github.createRepository("octocat", "other", { private: true });
  const contents = await app.installationToken(ours, { signal });
  const read = async (token: string) => {
    const response = await fetch(`${other.cloneUrl}/info/refs?service=git-upload-pack`, {
      headers: { authorization: `Basic ${Buffer.from(`x-access-token:${token}`).toString("base64")}` },
    });
    await response.text();
    return response.status;
  };
  expect(await read(contents)).toBe(401);
  const ofOther = { ...ours, repositoryId: other.id };
  expect(await read(await app.installationToken({ ...ofOther, permissions: { statuses: "write" } }, { signal }))).toBe(
    401,
  );
  expect(await read(await app.installationToken({ ...ofOther, permissions: { contents: "read" } }, { signal }))).toBe(
    200,
  );
});

test("one token serves all who want the same, also those who ask at once", async () => {
  const { github, app, scope } = await scene();
  const all = await Promise.all(Array.from({ length: 5 }, () => app.installationToken(scope, { signal })));
  expect(new Set([...all, await app.installationToken(scope, { signal })]).size).toBe(1);
  expect(callsOf(github, tokens)).toBe(1);
});

test("a token is replaced ten minutes before it ends", async () => {
  const { github, app, scope } = await scene();
  const minutes = async (left: number) => {
    github.limitTokens(left * 60_000);
    return app.installationToken(scope, { signal });
  };
  const short = await minutes(9);
  const long = await minutes(11);
  expect(long).not.toBe(short);
  expect(await minutes(60)).toBe(long);
  expect(callsOf(github, tokens)).toBe(2);
});

test("W11 an installation id beyond 2^53 reaches GitHub with every digit", async () => {
  const { github, app, scope } = await scene();
  const huge = { ...scope, installationId: "9007199254740993", repositoryId: "9007199254740995" };
  await expect(app.installationToken(huge, { signal })).rejects.toMatchObject({ code: "github_refused" });
  expect(github.calls).toEqual(["POST /app/installations/9007199254740993/access_tokens"]);
});

const passing: readonly (readonly [string, Fault])[] = [
  ["502", { kind: "status", status: 502 }],
  ["a cut connection", { kind: "cut" }],
  ["a secondary rate limit", { kind: "secondary-limit", retryAfterSeconds: 3 }],
  [
    "429 with retry-after",
    {
      kind: "status",
      status: 429,
      message: "You have exceeded a secondary rate limit.",
      headers: { "retry-after": "2" },
    },
  ],
];

test.for(passing)("%s passes without anybody noticing", async ([, fault]) => {
  const { github, app, scope } = await scene();
  github.failNext({ fault, matching: tokens, times: 2 });
  await app.installationToken(scope, { signal });
  expect(callsOf(github, tokens)).toBe(3);
});

test("no answer within the limit of an attempt is a fault that may pass", async () => {
  const { github, app, scope } = await scene({ attemptMs: 300 });
  github.failNext({ fault: { kind: "silent" }, matching: tokens, times: 3 });
  await expect(app.installationToken(scope, { signal })).rejects.toMatchObject({
    code: "github_failed",
    transient: true,
  });
});

const lasting: readonly (readonly [string, string, number, Fault])[] = [
  ["502 for long", "github_failed", 3, { kind: "status", status: 502 }],
  ["cut connections for long", "github_failed", 3, { kind: "cut" }],
  ["a secondary limit for long", "github_failed", 3, { kind: "secondary-limit", retryAfterSeconds: 1 }],
  ["a secondary limit of an hour", "github_failed", 1, { kind: "secondary-limit", retryAfterSeconds: 3600 }],
  [
    "a rate limit that is spent for an hour",
    "github_failed",
    1,
    {
      kind: "status",
      status: 403,
      message: "API rate limit exceeded for installation ID 1.",
      headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": String(Math.floor(Date.now() / 1000) + 3600) },
    },
  ],
  ["404", "github_refused", 1, { kind: "status", status: 404, message: "Not Found" }],
];

test.for(lasting)("%s ends as %s after %i attempts", async ([, code, attempts, fault]) => {
  const { github, app, scope } = await scene();
  github.failNext({ fault, matching: tokens, times: 100 });
  await expect(app.installationToken(scope, { signal })).rejects.toMatchObject({
    code,
    transient: code === "github_failed",
  });
  expect(callsOf(github, tokens)).toBe(attempts);
});

test("nobody at the address is a fault that may pass", async () => {
  const { github, app, scope } = await scene();
  await github.close();
  await expect(app.installationToken(scope, { signal })).rejects.toMatchObject({
    code: "github_failed",
    message: expect.stringMatching(/^GitHub cannot be reached to .*ECONNREFUSED/),
  });
});

test("a failed token is not remembered", async () => {
  const { github, app, scope } = await scene();
  github.failNext({ fault: { kind: "status", status: 404, message: "Not Found" }, matching: tokens });
  await expect(app.installationToken(scope, { signal })).rejects.toMatchObject({ code: "github_refused" });
  expect(await app.installationToken(scope, { signal })).toMatch(/^ghs_/);
});

test("K5 the key is read anew, so that a wrong one can be replaced while we run", async () => {
  const keys = ["no key"];
  const { github, app, scope } = await scene({ privateKey: async () => keys[0] ?? "" });
  await expect(app.installationToken(scope, { signal })).rejects.toMatchObject({ code: "setting_invalid" });
  keys[0] = github.privateKeyPem.replaceAll("\n", "\\n");
  expect(await app.installationToken(scope, { signal })).toMatch(/^ghs_/);
});

test("whoever aborts does not wait for GitHub's pause", async () => {
  const { github, app, scope } = await scene({ backoffMs: 1000 });
  github.failNext({ fault: { kind: "silent" }, matching: tokens });
  const leave = new AbortController();
  const waiting = app.installationToken(scope, { signal: leave.signal });
  await expect.poll(() => callsOf(github, tokens), { timeout: 60_000 }).toBe(1);
  leave.abort(new Error("leaving"));
  await expect(waiting).rejects.toThrow("leaving");
  await expect(app.installationToken(scope, { signal: leave.signal })).rejects.toThrow("leaving");
});

test("a branch whose head is what it was costs no warning", async () => {
  const warned: unknown[] = [];
  const log = { ...createLog("silent"), warn: (...told: unknown[]) => void warned.push(told) };
  const { github, app, scope } = await scene({ log });
  const { sha } = await github.createRepository("octocat", "polled", { files: { a: "a" }, branch: "main" });
  const place = { ...scope, owner: "octocat", repository: "polled" };
  const first = await app.facts.branchHead(place, { branch: "main", etag: undefined }, { signal });
  if (first === undefined || first === "same") return expect.unreachable();
  expect(first.sha).toBe(sha);
  expect(await app.facts.branchHead(place, { branch: "main", etag: first.etag }, { signal })).toBe("same");
  expect(warned).toEqual([]);
});
