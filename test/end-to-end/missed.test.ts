import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, eventually } from "../database/scratch.ts";
import { createInstallation, type Installation, owner, type Serving, stackOf } from "./serving.ts";

let installation: Installation;
let serving: Serving;

beforeAll(async () => {
  installation = await createInstallation({ sweep_interval: "200ms", poll_interval: "200ms" });
  serving = await installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

const good = "FROM busybox\nRUN echo good > /good\n";
const create = (name: string) =>
  installation.github.createRepository(owner, name, {
    files: { ...stackOf({ one: good }), [name]: "" },
    branch: "main",
  });
const payload = (name: string, sha: string, more: object = {}) => ({
  ...installation.github.pushPayload({ owner, name, sha, branch: "main" }),
  ...more,
});
const rows = (sql: string, values: unknown[] = []) => ask(installation.settings.DATABASE_URL ?? "", sql, values);
const deliveryOf = (guid: string) =>
  eventually(async () => (await rows("select source, answer, reason, event from delivery where guid = $1", [guid]))[0]);

test("a push that GitHub could not deliver is built: nobody reaches the webhook", async () => {
  const { sha } = await create("unreached");
  const guid = randomUUID();
  expect(await installation.github.hook.send(payload("unreached", sha), { guid })).toBe(502);
  expect((await installation.ended(sha))["stack-deploy"]).toMatch(/^success: /);
  expect(await deliveryOf(guid)).toMatchObject({ source: "sweep", answer: "502 failed to connect to host" });
  const figures = await (await fetch(`${serving.address}/metrics`)).text();
  expect(figures).toMatch(/^of_builder_deliveries_total\{event="push",result="accepted",way="sweep"\} 1$/m);
});

test("a push that was answered with an error is built, and one that arrived is not built again", async () => {
  const { sha } = await create("refused");
  const { hook } = installation.github;
  const arrived = await create("arrived");
  hook.url = `${serving.address}/github-event`;
  const guid = randomUUID();
  await hook.send(payload("arrived", arrived.sha), { guid });
  hook.note(payload("refused", sha), { statusCode: 500, status: "Invalid HTTP Response: 500" });
  await Promise.all([installation.ended(sha), installation.ended(arrived.sha)]);
  expect(await deliveryOf(guid)).toMatchObject({ source: "webhook", answer: "202" });
  expect(await rows("select count(*)::int as runs from push where sha = $1", [arrived.sha])).toEqual([{ runs: 1 }]);
});

test("of many missed pushes, over several pages of GitHub's notes, none is left out", async () => {
  const { hook } = installation.github;
  const { sha } = await create("many");
  const guids = Array.from({ length: 230 }, () => randomUUID());
  for (const guid of guids) hook.note({ zen: "x" }, { event: "star", guid, statusCode: 502 });
  const [first, last] = [randomUUID(), randomUUID()];
  const tag = payload("many", sha, { ref: "refs/tags/v1" });
  hook.note(tag, { guid: first, statusCode: 502 });
  for (let count = 0; count < 210; count++) hook.note({ zen: "x" }, { event: "star", statusCode: 502 });
  hook.note(tag, { guid: last, statusCode: 502 });
  expect((await deliveryOf(first)).reason).toMatch(/is a tag/);
  expect((await deliveryOf(last)).reason).toMatch(/is a tag/);
  expect(await rows("select guid from delivery where event = 'star'")).toEqual([]);
});

test("what cannot be read is put down once, and holds up nothing", async () => {
  const { hook } = installation.github;
  const guid = randomUUID();
  hook.note({ ref: 1 }, { guid, statusCode: 502 });
  expect((await deliveryOf(guid)).reason).toMatch(/^the payload is not what its event promises/);
});

test("a delivery that GitHub has forgotten the payload of is put down, and holds up nothing", async () => {
  const { github } = installation;
  const { sha } = await create("forgotten");
  const [lost, next] = [randomUUID(), randomUUID()];
  const id = Number(github.hook.noted.at(-1)?.id) + 1;
  github.failNext({ fault: { kind: "status", status: 404 }, matching: `/app/hook/deliveries/${id}`, times: 9 });
  github.hook.note(payload("forgotten", sha), { guid: lost, statusCode: 502 });
  github.hook.note(payload("forgotten", sha), { guid: next, statusCode: 502 });
  expect((await deliveryOf(lost)).reason).toBe("GitHub does not have its payload any more");
  expect((await installation.ended(sha)).one).toMatch(/^success: /);
  expect(await deliveryOf(next)).toMatchObject({ source: "sweep" });
});

test("W18 an approval that GitHub could not deliver counts as any other", async () => {
  const { github } = installation;
  await create("approved");
  const files = stackOf({ one: `${good}RUN true\n` });
  const sha = await github.commit(owner, "approved", { files, branch: "feature" });
  await github.openPull(owner, "approved", { number: 7, sha, fork: true });
  github.writers.add("maintainer");
  const { repository, installation: app } = payload("approved", sha) as Record<string, unknown>;
  const comment = { body: `/ok-to-test ${sha}` };
  const issue = { number: 7, pull_request: {} };
  github.hook.note(
    { action: "created", issue, comment, sender: { login: "maintainer" }, repository, installation: app },
    { event: "issue_comment", statusCode: 502 },
  );
  expect((await installation.ended(sha)).one).toMatch(/^success: /);
});

test("the head of a built branch that no delivery told of is built", async () => {
  const { sha } = await create("untold");
  await installation.push(serving, { name: "untold", sha, branch: "main" });
  await installation.ended(sha);
  const next = await installation.github.commit(owner, "untold", { files: { more: "x" }, branch: "main" });
  expect((await installation.ended(next))["stack-deploy"]).toMatch(/^success: /);
  const found = await rows("select source, kind from delivery join push on push.id = guid where sha = $1", [next]);
  expect(found).toEqual([{ source: "poll", kind: "push" }]);
});

test("a head that has not changed is asked for by the ETag that GitHub gave, over a restart too", async () => {
  const { github } = installation;
  const { sha } = await create("etag");
  await installation.push(serving, { name: "etag", sha, branch: "main" });
  await installation.ended(sha);
  const path = `GET /repos/${owner}/etag/branches/main`;
  const unmodified = () => github.unmodified.filter((call) => call === path).length;
  await eventually(async () => unmodified() > 0);
  expect(await rows("select etag from branch_head where sha = $1", [sha])).toEqual([{ etag: `W/"${sha}"` }]);

  await serving.end("SIGTERM");
  const [asked, known] = [github.calls.filter((call) => call === path).length, unmodified()];
  serving = await installation.start();
  await eventually(async () => unmodified() > known);
  // None since was answered with the head itself; the last may be on its way.
  expect(github.calls.filter((call) => call === path).length - asked - (unmodified() - known)).toBeLessThanOrEqual(1);
});

test("the first push of an installed repository is found, and nothing is built of what was there before", async () => {
  const { github } = installation;
  const { sha, id } = await create("installed");
  await github.commit(owner, "installed", { files: { x: "x" }, branch: "dev" });
  const told = github.pushPayload({ owner, name: "installed", sha });
  const repositories_added = [{ id: Number(id), full_name: `${owner}/installed`, private: false }];
  const added = { action: "added", repositories_added, repositories_removed: [], installation: told.installation };
  await github.deliver(`${serving.address}/github-event`, added, { event: "installation_repositories" });
  await eventually(async () => {
    const [head] = await rows("select 1 from branch_head where repository_id = $1 and branch = 'main'", [id]);
    return head;
  });
  const unbuilt = await github.commit(owner, "installed", { files: { y: "y" }, branch: "dev" });
  const first = await github.commit(owner, "installed", { files: { z: "z" }, branch: "main" });
  expect((await installation.ended(first))["stack-deploy"]).toMatch(/^success: /);
  const runs = await rows("select sha, kind, found from push where repository = 'installed'");
  expect(runs).toEqual([{ sha: first, kind: "push", found: true }]);
  expect(runs).not.toContainEqual(expect.objectContaining({ sha: unbuilt }));
});

test("nothing is swept of before this installation began, if it arrived at another one", async () => {
  await using later = await createInstallation({ sweep_interval: "100ms" });
  const { github } = later;
  const { sha } = await github.createRepository(owner, "old", { files: stackOf({ one: good }), branch: "main" });
  const before = new Date(Date.now() - 3600_000);
  const pushed = github.pushPayload({ owner, name: "old", sha, branch: "main" });
  const [arrived, lost] = [randomUUID(), randomUUID()];
  github.hook.note(pushed, { guid: arrived, deliveredAt: before });
  github.hook.note(pushed, { guid: lost, deliveredAt: before, statusCode: 502 });
  await later.start();
  await later.ended(sha);
  expect(await ask(later.settings.DATABASE_URL ?? "", "select guid from delivery")).toEqual([{ guid: lost }]);
});
