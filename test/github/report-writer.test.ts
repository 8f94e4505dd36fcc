import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import type { GithubAppOptions } from "../../src/github/app.ts";
import { cutDescription } from "../../src/github/report-writer.ts";
import type { Written } from "../../src/model/report-turn.ts";
import type { Fault } from "../github-server/faults.ts";
import { startGithubServer } from "../github-server/server.ts";
import { callsOf, writingScene } from "./writing.ts";

const tokens = "access_tokens";
const statuses = "/statuses/";

const scene = async (options: Partial<GithubAppOptions> = {}) => {
  const { write, ...rest } = await writingScene(options);
  const status: typeof write = (change, signals) => write({ way: "status", ...change }, signals);
  return { ...rest, write: status };
};

// The description of GitHub's API takes a while to read.
beforeAll(async () => {
  await using github = await startGithubServer();
  await fetch(`${github.apiUrl}/repos/a/b`);
});

test("a status is shown with a token that can do no more than that", async () => {
  const { github, turn, write } = await scene();
  expect(await write()).toMatchObject({ kind: "shown", way: "status", isWhole: true, isWrite: true });
  expect(github.statuses.all).toEqual([
    {
      owner: "octocat",
      repository: "fns",
      sha: turn.sha,
      context: "hello",
      state: "success",
      description: "well",
      targetUrl: null,
    },
  ]);
  expect(github.issued.map(({ permissions }) => permissions)).toEqual([{ statuses: "write" }]);
});

test("a status leads to the log of its function, and to none where nothing was built", async () => {
  const { github, turn, write } = await scene({ publicUrl: "https://builder.example.com" });
  const outcome = { function: "same", state: "unchanged", image: "i", digest: "d", sha: "", seconds: 0 } as const;
  await write({ logKey: "key" });
  await write({ logKey: "key", report: { context: "same", state: "success", description: "", outcome } });
  const links = github.statuses.all.map(({ context, targetUrl }) => [context, targetUrl]);
  const link = `https://builder.example.com/logs/${turn.pushId}/hello?key=key`;
  expect(links).toEqual([
    ["hello", link],
    ["same", null],
  ]);
});

test("what GitHub has already is not written again", async () => {
  const { github, write } = await scene();
  const first = await write();
  const sentText = first.kind === "shown" ? first.text : "";
  expect(await write({ sentText })).toMatchObject({ kind: "shown", isWrite: false });
  expect(github.statuses.all).toHaveLength(1);
});

test("a run that another one of the same commit has superseded leaves the commit's status to that", async () => {
  const { github, turn, write } = await scene();
  const report = { context: "hello", state: "cancelled", description: "superseded", newerSha: turn.sha } as const;
  expect(await write({ report })).toMatchObject({ kind: "shown", isWrite: false });
  expect(github.statuses.all).toEqual([]);
});

test("a token that was revoked is replaced", async () => {
  const { github, turn, write } = await scene();
  await write();
  github.revokeTokens();
  await write({ report: { ...turn.report, state: "failure" } });
  expect(github.statuses.latest(turn.sha).get("hello")?.state).toBe("failure");
});

test("401 for good is refused after one fresh token", async () => {
  const { github, write } = await scene();
  github.failNext({ fault: { kind: "status", status: 401, message: "Bad credentials" }, matching: statuses, times: 9 });
  expect(await write()).toMatchObject({ kind: "refused" });
  expect([callsOf(github, statuses), callsOf(github, tokens)]).toEqual([2, 2]);
});

const inAnHour = Math.floor(Date.now() / 1000) + 3600;
const spent = { "x-ratelimit-remaining": "0", "x-ratelimit-reset": String(inAnHour) };

const faults: readonly (readonly [string, Fault, Partial<Written>])[] = [
  ["502", { kind: "status", status: 502 }, { kind: "failed", uncertain: true }],
  ["a cut connection", { kind: "cut" }, { kind: "failed", uncertain: true }],
  [
    "the hour's quota is spent",
    { kind: "status", status: 403, message: "API rate limit exceeded for installation ID 1.", headers: spent },
    { kind: "paused", untilMs: inAnHour * 1000 },
  ],
  [
    "a secondary limit that does not say how long",
    { kind: "status", status: 403, message: "You have exceeded a secondary rate limit." },
    { kind: "paused", untilMs: undefined },
  ],
  ["404", { kind: "status", status: 404, message: "Not Found" }, { kind: "refused" }],
  ["403", { kind: "status", status: 403, message: "Resource not accessible by integration" }, { kind: "refused" }],
  [
    "the maximum of statuses",
    { kind: "status", status: 422, message: "This SHA and context has reached the maximum number of statuses." },
    { kind: "refused", reason: expect.stringContaining("maximum number of statuses") },
  ],
];

test.for(faults)("%s is told after one attempt", async ([, fault, expected]) => {
  const { github, write } = await scene();
  github.failNext({ fault, matching: statuses, times: 100 });
  expect(await write()).toMatchObject(expected);
  expect(callsOf(github, statuses)).toBe(1);
});

test("of a commit's context GitHub takes a thousand statuses, and refuses the next for good", async () => {
  const { github, write } = await scene();
  const say = (description: string) => write({ report: { context: "hello", state: "running", description } });
  await say("the first");
  const [first] = github.statuses.all;
  for (let count = 2; first && count < 1000; count++) github.statuses.post(first);
  expect(await say("the last")).toMatchObject({ kind: "shown" });
  const reason = expect.stringContaining("reached the maximum number of statuses");
  expect(await say("one too many")).toEqual({ kind: "refused", reason });
  expect(github.statuses.all).toHaveLength(1000);
});

test.for([403, 429])("a pause that GitHub asks for with %i and retry-after is told", async (status) => {
  const { github, write } = await scene();
  const headers = { "retry-after": "77" };
  github.failNext({ fault: { kind: "status", status, message: "slow down", headers }, matching: statuses });
  const before = Date.now();
  const written = await write();
  expect(written).toMatchObject({ kind: "paused" });
  const untilMs = written.kind === "paused" ? (written.untilMs ?? 0) : 0;
  expect([untilMs >= before + 77_000, untilMs <= Date.now() + 77_000]).toEqual([true, true]);
});

test("a token that GitHub does not give is no shown report, and may be given later", async () => {
  const { github, write } = await scene();
  github.failNext({ fault: { kind: "status", status: 502 }, matching: tokens, times: 3 });
  expect(await write()).toMatchObject({ kind: "failed", uncertain: false });
  expect(await write()).toMatchObject({ kind: "shown" });
});

test("K5 a key that is wrong may be corrected while the report waits", async () => {
  const { write } = await scene({ privateKey: async () => "no key" });
  expect(await write()).toMatchObject({ kind: "failed", uncertain: false, reason: expect.stringContaining("RSA key") });
});

test("no answer within the limit of an attempt is a failure with an unknown end", async () => {
  const { github, write } = await scene({ attemptMs: 300 });
  await write().catch(() => {});
  github.failNext({ fault: { kind: "silent" }, matching: statuses });
  expect(await write()).toMatchObject({ kind: "failed", uncertain: true });
});

test("a write that is given up before it began is tried again, and no word of GitHub's", async () => {
  const { github, write } = await scene();
  const reason = new Error("of-builder is stopping");
  const given = await write({}, { signal: AbortSignal.abort(reason) });
  expect(given).toEqual({ kind: "failed", uncertain: true, reason: "of-builder is stopping" });
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
  const { github, write } = await scene();
  const location = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}/`;
  github.failNext({ fault: { kind: "status", status: 307, headers: { location } }, matching: statuses });
  expect(await write()).toMatchObject({ kind: "refused" });
  expect(seen).toEqual([]);
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
