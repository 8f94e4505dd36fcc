import { beforeAll, expect, test } from "vitest";
import type { Remark, Report } from "../../src/model/report.ts";
import { startGithubServer } from "../github-server/server.ts";
import { callsOf, remembered, writingScene } from "./writing.ts";

const creates = "POST /repos/octocat/fns/check-runs";
const updates = "PATCH /repos/octocat/fns/check-runs/";

// The description of GitHub's API takes a while to read.
beforeAll(async () => {
  await using github = await startGithubServer();
  await fetch(`${github.apiUrl}/repos/a/b`);
});

function failureWith(count: number): Report {
  const remarks = Array.from(
    { length: count },
    (_, at): Remark => ({
      level: "warning",
      title: "lint",
      message: `warning ${at}`,
      location: { path: "hello/Dockerfile", line: at + 1 },
    }),
  );
  return { context: "hello", state: "failure", description: "bad", remarks };
}

test("a check is created once and updated from then on", async () => {
  const { github, turn, write } = await writingScene();
  const queued: Report = { context: "hello", state: "queued", description: "waits" };
  const first = await write({ report: queued });
  expect(first).toMatchObject({ kind: "shown", way: "check", isWhole: true, isWrite: true });
  expect(github.checks.all).toMatchObject([
    { name: "hello", sha: turn.sha, status: "queued", externalId: `${turn.pushId}/hello` },
  ]);
  await write(remembered(first));
  expect(github.checks.all).toMatchObject([{ status: "completed", conclusion: "success" }]);
  expect([callsOf(github, creates), callsOf(github, updates)]).toEqual([1, 1]);
});

test("a check leads to the log of its function, where that has one and people reach this installation", async () => {
  const { github, turn, write } = await writingScene({ publicUrl: "https://builder.example.com/" });
  const report: Report = { context: "a b", state: "queued", description: "" };
  await write({ logKey: "key", report });
  await write({ logKey: "key", report: { ...report, context: "stack-deploy" } });
  await write({ report: { ...report, context: "c" } });
  const links = github.checks.all.map(({ name, detailsUrl }) => [name, detailsUrl]);
  const link = `https://builder.example.com/logs/${turn.pushId}/a%20b?key=key`;
  expect(links).toEqual([
    ["a b", link],
    ["stack-deploy", null],
    ["c", null],
  ]);
});

test("K1 a check is written with a token that reaches one repository's checks and nothing else", async () => {
  const { github, turn, write } = await writingScene();
  await write();
  expect(github.issued).toMatchObject([{ repositoryIds: [turn.repositoryId], permissions: { checks: "write" } }]);
  expect(Object.keys(github.issued[0]?.permissions ?? {})).toEqual(["checks"]);
});

test("what GitHub has already is not written again", async () => {
  const { github, write } = await writingScene();
  const first = await write();
  expect(await write(remembered(first))).toMatchObject({ kind: "shown", isWrite: false });
  expect([callsOf(github, creates), callsOf(github, updates)]).toEqual([1, 0]);
});

test("a check whose creation got no answer is found again, and there is one", async () => {
  const { github, write } = await writingScene();
  github.failNext({ fault: { kind: "lost-answer" }, matching: creates });
  expect(await write()).toMatchObject({ kind: "failed", uncertain: true });
  const [run] = github.checks.all;
  expect(await write({ isUncertain: true })).toMatchObject({ kind: "shown", checkId: String(run?.id) });
  expect(github.checks.all).toHaveLength(1);
});

test("a check whose creation was never done is created after all", async () => {
  const { github, write } = await writingScene();
  github.failNext({ fault: { kind: "cut" }, matching: creates });
  expect(await write()).toMatchObject({ kind: "failed", uncertain: true });
  expect(await write({ isUncertain: true })).toMatchObject({ kind: "shown" });
  expect(github.checks.all).toHaveLength(1);
});

test("a check of the same name of another push is another check", async () => {
  const { github, write } = await writingScene();
  await write({ pushId: "another-push" });
  await write({ isUncertain: true });
  expect(github.checks.all).toHaveLength(2);
});

test("annotations go fifty at a time, each once, also where an answer got lost", async () => {
  const { github, write } = await writingScene();
  const report = failureWith(120);
  const first = await write({ report });
  expect(first).toMatchObject({ kind: "shown", annotationsSent: 50, isWhole: false });
  github.failNext({ fault: { kind: "lost-answer" }, matching: updates });
  expect(await write({ report, ...remembered(first) })).toMatchObject({ kind: "failed", uncertain: true });
  const third = await write({ report, ...remembered(first), isUncertain: true });
  expect(third).toMatchObject({ kind: "shown", annotationsSent: 120, isWhole: true });
  const messages = github.checks.all[0]?.annotations.map(({ message }) => message);
  expect(messages).toEqual(Array.from({ length: 120 }, (_, at) => `warning ${at}`));
  expect(await write({ report, ...remembered(third) })).toMatchObject({ isWrite: false });
});

test("an installation that grants no checks is shown statuses, and its whole is told so", async () => {
  const { github, turn, write } = await writingScene();
  github.grant({ contents: "read", statuses: "write", metadata: "read" });
  expect(await write()).toMatchObject({ kind: "unpermitted", whole: true });
  expect(await write({ isStatusesOnly: true })).toMatchObject({ kind: "shown", way: "status" });
  expect(github.statuses.latest(turn.sha).get("hello")?.state).toBe("success");
});

test.for([
  [403, "Resource not accessible by integration", true],
  [404, "Not Found", false],
] as const)("%i %s for a new check means statuses", async ([status, message, whole]) => {
  const { github, write } = await writingScene();
  github.failNext({ fault: { kind: "status", status, message }, matching: creates });
  expect(await write()).toMatchObject({ kind: "unpermitted", whole });
});

test("a check that is shown stays one, and one that is gone is let go", async () => {
  const { github, write } = await writingScene();
  const first = await write({ report: { context: "hello", state: "queued", description: "waits" } });
  github.failNext({ fault: { kind: "status", status: 404, message: "Not Found" }, matching: updates });
  expect(await write({ ...remembered(first), isStatusesOnly: true })).toMatchObject({ kind: "refused" });
  expect(github.statuses.all).toEqual([]);
});

test("of a check whose page GitHub does not take, the end is shown without it; what it takes neither of is let go", async () => {
  const { github, write } = await writingScene();
  const first = await write({ report: { context: "hello", state: "running", description: "goes on" } });
  const content = { kind: "status", status: 422, message: "Invalid request. output is not as it should be" } as const;
  github.failNext({ fault: content, matching: updates });
  const report = failureWith(1);
  const unfit = await write({ report, ...remembered(first) });
  expect(unfit).toEqual({ kind: "unfit", reason: expect.stringContaining("output is not as it should be") });
  const shown = await write({ report, ...remembered(first), bare: "excuse" });
  expect(shown).toMatchObject({ kind: "shown", isWhole: true, isWrite: true });
  expect(github.checks.all).toMatchObject([
    {
      status: "completed",
      conclusion: "failure",
      summary: expect.stringContaining("Only how it went"),
      annotations: [],
    },
  ]);
  expect(await write({ report, ...remembered(shown), bare: "excuse" })).toMatchObject({ isWrite: false });
  github.failNext({ fault: content, matching: creates });
  expect(await write({ report, bare: "excuse" })).toMatchObject({ kind: "refused" });
});

test("W13 a repository that has another name now is found where it is", async () => {
  const { github, write } = await writingScene();
  const first = await write({ report: { context: "hello", state: "running", description: "goes on" } });
  github.rename("octocat", "fns", "functions");
  expect(await write(remembered(first))).toMatchObject({ kind: "shown" });
  expect(await write({ report: { context: "other", state: "success", description: "well" } })).toMatchObject({
    kind: "shown",
  });
  expect(github.checks.all.map(({ name, conclusion }) => `${name} ${conclusion}`)).toEqual([
    "hello success",
    "other success",
  ]);
});

test("GitHub says what is left of the hour's quota, and is listened to", async () => {
  const { github, write } = await writingScene();
  github.limit({ quota: { max: 1, hourMs: 3_600_000 } });
  // The token took the one call.
  const written = await write();
  expect(written).toMatchObject({ kind: "paused" });
  expect(written.kind === "paused" && (written.untilMs ?? 0) > Date.now()).toBe(true);
  github.limit({ quota: { max: 10, hourMs: 3_600_000 } });
  expect(await write()).toMatchObject({ kind: "shown", quota: { left: expect.any(Number) } });
});
