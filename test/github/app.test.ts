import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { createGithubApp, cutDescription, type GithubAppOptions } from "../../src/github/app.ts";
import { createLog } from "../../src/log.ts";
import type { Push } from "../../src/model/push.ts";
import type { Fault } from "../github-server/faults.ts";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";

const { signal } = new AbortController();
const status = { context: "hello", state: "success", description: "well" } as const;
const tokens = "access_tokens";
const statuses = "/statuses/";

async function scene(options: Partial<GithubAppOptions> = {}) {
  const github = await startGithubServer();
  onTestFinished(() => github.close());
  const { id, sha } = await github.createRepository("octocat", "fns");
  const app = createGithubApp({
    appId: github.appId,
    privateKey: async () => github.privateKeyPem,
    apiUrl: github.apiUrl,
    log: createLog("silent"),
    backoffMs: 1,
    ...options,
  });
  return { github, app, push: pushOf(github, { repositoryId: id, sha }), sha };
}

function pushOf(github: GithubServer, about: Partial<Push>): Push {
  return {
    delivery: "d",
    owner: "octocat",
    repository: "fns",
    repositoryId: "1",
    installationId: github.installationId,
    private: false,
    branch: "master",
    sha: "",
    committedAt: 0,
    cloneUrl: "",
    ...about,
  };
}

const callsOf = (github: GithubServer, part: string) => github.calls.filter((call) => call.includes(part)).length;

// The description of GitHub's API takes a while to read.
beforeAll(async () => {
  await using github = await startGithubServer();
  await fetch(`${github.apiUrl}/repos/a/b`);
});

test("a status is shown with a token that can do no more than that", async () => {
  const { github, app, push, sha } = await scene();
  await app.setStatus(push, { ...status, targetUrl: "https://example.com/log" }, { signal });
  expect(github.statuses.all).toEqual([
    { owner: "octocat", repository: "fns", sha, ...status, targetUrl: "https://example.com/log" },
  ]);
});

test("K1 a token is narrowed to one repository and to what it is for", async () => {
  const { github, app, push } = await scene();
  const other = await github.createRepository("octocat", "other", { private: true });
  const scope = { installationId: github.installationId, repositoryId: push.repositoryId };
  const contents = await app.installationToken({ ...scope, permissions: { contents: "read" } }, { signal });
  const read = async (token: string) => {
    const response = await fetch(`${other.cloneUrl}/info/refs?service=git-upload-pack`, {
      headers: { authorization: `Basic ${Buffer.from(`x-access-token:${token}`).toString("base64")}` },
    });
    await response.text();
    return response.status;
  };
  expect(await read(contents)).toBe(401);
  const ofOther = { ...scope, repositoryId: other.id };
  expect(await read(await app.installationToken({ ...ofOther, permissions: { statuses: "write" } }, { signal }))).toBe(
    401,
  );
  expect(await read(await app.installationToken({ ...ofOther, permissions: { contents: "read" } }, { signal }))).toBe(
    200,
  );
});

test("one token serves many statuses, also those that are set at once", async () => {
  const { github, app, push } = await scene();
  const contexts = ["a", "b", "c", "d", "e"];
  await Promise.all(contexts.map((context) => app.setStatus(push, { ...status, context }, { signal })));
  await app.setStatus(push, { ...status, context: "f" }, { signal });
  expect([callsOf(github, tokens), github.statuses.all.length]).toEqual([1, 6]);
});

test("a token that was revoked is replaced", async () => {
  const { github, app, push } = await scene();
  await app.setStatus(push, status, { signal });
  github.revokeTokens();
  await app.setStatus(push, { ...status, state: "failure" }, { signal });
  expect(github.statuses.latest(push.sha).get("hello")?.state).toBe("failure");
});

test("W11 an installation id beyond 2^53 reaches GitHub with every digit", async () => {
  const { github, app, push } = await scene();
  const huge = { ...push, installationId: "9007199254740993", repositoryId: "9007199254740995" };
  await expect(app.setStatus(huge, status, { signal })).rejects.toMatchObject({ code: "github_refused" });
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

test.for(passing.flatMap(([name, fault]) => [tokens, statuses].map((place) => ({ name, fault, place }))))(
  "$name for $place passes without anybody noticing",
  async ({ fault, place }) => {
    const { github, app, push } = await scene();
    github.failNext({ fault, matching: place, times: 2 });
    await app.setStatus(push, status, { signal });
    expect([callsOf(github, place), github.statuses.all.length]).toEqual([3, 1]);
  },
);

test("no answer within the limit of an attempt is tried again", async () => {
  const { github, app, push } = await scene({ attemptMs: 300 });
  await app.setStatus(push, { ...status, context: "warm" }, { signal }).catch(() => {});
  github.failNext({ fault: { kind: "silent" }, matching: statuses, times: 3 });
  await expect(app.setStatus(push, status, { signal })).rejects.toMatchObject({
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
  ["403", "github_refused", 1, { kind: "status", status: 403, message: "Resource not accessible by integration" }],
  [
    "the maximum of statuses",
    "github_refused",
    1,
    { kind: "status", status: 422, message: "This SHA and context has reached the maximum number of statuses." },
  ],
];

test.for(lasting)("%s ends as %s after %i attempts", async ([, code, attempts, fault]) => {
  const { github, app, push } = await scene();
  github.failNext({ fault, matching: statuses, times: 100 });
  await expect(app.setStatus(push, status, { signal })).rejects.toMatchObject({
    code,
    transient: code === "github_failed",
    message: expect.stringMatching(/show success for "hello" at octocat\/fns@/),
  });
  expect(callsOf(github, statuses)).toBe(attempts);
});

test("401 for good is refused after one fresh token", async () => {
  const { github, app, push } = await scene();
  github.failNext({
    fault: { kind: "status", status: 401, message: "Bad credentials" },
    matching: statuses,
    times: 100,
  });
  await expect(app.setStatus(push, status, { signal })).rejects.toMatchObject({ code: "github_refused" });
  expect([callsOf(github, statuses), callsOf(github, tokens)]).toEqual([2, 2]);
});

test("nobody at the address is a fault that may pass", async () => {
  const { github, app, push } = await scene();
  await github.close();
  await expect(app.setStatus(push, status, { signal })).rejects.toMatchObject({
    code: "github_failed",
    message: expect.stringMatching(/^GitHub cannot be reached to .*ECONNREFUSED/),
  });
});

test("a failed token is not remembered", async () => {
  const { github, app, push } = await scene();
  github.failNext({ fault: { kind: "status", status: 404, message: "Not Found" }, matching: tokens });
  await expect(app.setStatus(push, status, { signal })).rejects.toMatchObject({ code: "github_refused" });
  await app.setStatus(push, status, { signal });
  expect(github.statuses.all).toHaveLength(1);
});

test("K5 the key is read anew, so that a wrong one can be replaced while we run", async () => {
  const keys = ["no key"];
  const { github, app, push } = await scene({ privateKey: async () => keys[0] ?? "" });
  await expect(app.setStatus(push, status, { signal })).rejects.toMatchObject({ code: "setting_invalid" });
  keys[0] = github.privateKeyPem.replaceAll("\n", "\\n");
  await app.setStatus(push, status, { signal });
  expect(github.statuses.all).toHaveLength(1);
});

test("a push that came from no installation cannot be answered, and that is said", async () => {
  const { app, push } = await scene();
  const homeless = { ...push, installationId: undefined };
  await expect(app.setStatus(homeless, status, { signal })).rejects.toThrow(/octocat\/fns came from no installation/);
});

test("whoever aborts does not wait for GitHub's pause", async () => {
  const { github, app, push } = await scene({ backoffMs: 1000 });
  github.failNext({ fault: { kind: "silent" }, matching: statuses });
  const leave = new AbortController();
  const waiting = app.setStatus(push, status, { signal: leave.signal });
  await expect.poll(() => callsOf(github, statuses), { timeout: 60_000 }).toBe(1);
  leave.abort(new Error("leaving"));
  await expect(waiting).rejects.toThrow("leaving");
  await expect(app.setStatus(push, status, { signal: leave.signal })).rejects.toThrow("leaving");
  expect(github.statuses.all).toEqual([]);
});

test("W16 a redirect to another host does not get the token", async () => {
  const seen: unknown[] = [];
  const stranger = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(404, { "content-type": "application/json" }).end('{"message":"Not Found"}');
  });
  await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void stranger.close());
  const { github, app, push } = await scene();
  const location = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}/`;
  github.failNext({ fault: { kind: "status", status: 307, headers: { location } }, matching: statuses });
  await expect(app.setStatus(push, status, { signal })).rejects.toMatchObject({ code: "github_refused" });
  expect(seen).toEqual([undefined]);
  github.forgive();
});

test.for([
  ["short", "short"],
  ["x".repeat(140), "x".repeat(140)],
  ["x".repeat(141), `${"x".repeat(139)}…`],
  ["🚀".repeat(140), "🚀".repeat(140)],
  ["🚀".repeat(141), `${"🚀".repeat(139)}…`],
  ["two\nlines\tand \u0000", "two lines and  "],
  ["", ""],
] as const)("a description is cut to 140 characters: %#", ([text, expected]) => {
  expect(cutDescription(text)).toBe(expected);
});
