import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, eventually } from "../database/scratch.ts";
import { examplesOf } from "../github-server/deliveries.ts";
import { createInstallation, type Installation, type Serving, stackOf } from "./serving.ts";

let installation: Installation;
let serving: Serving;

beforeAll(async () => {
  installation = await createInstallation();
  serving = await installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

const obeyed = [
  "push",
  "ping",
  "installation",
  "installation_repositories",
  "repository",
  "check_run",
  "check_suite",
  "pull_request",
  "issue_comment",
];

const post = (body: Buffer | string, headers: Record<string, string>, path = "/github-event") =>
  fetch(`${serving.address}${path}`, { method: "POST", headers, body });
const stored = async () =>
  Number((await ask(installation.settings.DATABASE_URL ?? "", "select count(*) from delivery"))[0]?.count);

test("W1 a missing, wrong, short or SHA-1 signature is 401, and nothing is stored", async () => {
  const { headers, body } = installation.github.sign(examplesOf("push")[0]);
  const before = await stored();
  for (const signature of [
    "",
    "sha256=",
    "sha256=00",
    `sha256=${"0".repeat(64)}`,
    "sha1=0000000000000000000000000000000000000000",
    "x",
  ]) {
    const answer = await post(body, { ...headers, "x-hub-signature-256": signature });
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ error: expect.any(String), fix: expect.any(String) });
  }
  const { "x-hub-signature-256": _, ...unsigned } = headers;
  expect(
    (await post(body, { ...unsigned, "x-hub-signature": "sha1=757107ea0eb2509fc211221cce984b8a37570b6d" })).status,
  ).toBe(401);
  expect(await stored()).toBe(before);
});

test("W6 a body of more than 25 MiB is 413", async () => {
  const { headers, body } = installation.github.sign(Buffer.alloc(25 * 1024 * 1024 + 1, " "));
  expect((await post(body, headers)).status).toBe(413);
});

test("a body that is no JSON is 400", async () => {
  const { headers, body } = installation.github.sign(Buffer.from("{"));
  expect((await post(body, headers)).status).toBe(400);
});

test.for(["ping", "star", "installation", "issues"])(
  "the event %s is stored, answered 202 and ignored with a reason",
  async (event) => {
    const before = await stored();
    const { headers, body } = installation.github.sign(examplesOf(event)[0], { event });
    const answer = await post(body, headers);
    expect(answer.status).toBe(202);
    expect(await answer.json()).toMatchObject({ event, accepted: false, message: expect.stringMatching(/./) });
    expect(await stored()).toBe(before + 1);
  },
);

test("GitHub's own examples of every event that is obeyed are taken, and whatever they start ends", async () => {
  await using obeying = await createInstallation({ build_branch: "**", build_tags: "**" });
  const server = await obeying.start();
  const counts = new Map<string, number>();
  for (const event of obeyed) {
    for (const example of examplesOf(event)) {
      const answer = await obeying.github.deliver(`${server.address}/github-event`, example, { event });
      expect([event, answer.status]).toEqual([event, 202]);
      const { accepted } = (await answer.json()) as { accepted: boolean };
      if (accepted) counts.set(event, (counts.get(event) ?? 0) + 1);
    }
  }
  const rows = (sql: string) => ask(obeying.settings.DATABASE_URL ?? "", sql);
  expect(Object.fromEntries(counts)).toEqual({ push: 3, pull_request: 7 });
  const kept = await rows("select event, count(*)::integer as count from delivery group by event");
  expect(new Map(kept.map(({ event, count }) => [event, count]))).toEqual(
    new Map(obeyed.map((event) => [event, examplesOf(event).length])),
  );
  // None of their repositories is here, and some push to the same branch.
  const ended = () => rows("select state from push where ended_at is not null");
  await eventually(async () => (await ended()).length === 10);
  const states = (await ended()).map(({ state }) => String(state));
  expect(states.filter((state) => !["error", "cancelled"].includes(state))).toEqual([]);
});

test("W13 a tag and a deleted branch are ignored with the reason", async () => {
  const payload = examplesOf("push")[0];
  const zero = "0".repeat(40);
  const rows = [
    [{ ...payload, ref: "refs/tags/v1" }, "build_tags has none of this name"],
    [{ ...payload, ref: "refs/heads/main", deleted: true, after: zero }, "was deleted"],
  ] as const;
  for (const [body, reason] of rows) {
    const answer = await installation.github.deliver(`${serving.address}/webhook`, body);
    expect(await answer.json()).toMatchObject({ accepted: false, message: expect.stringContaining(reason) });
  }
});

test("the server answers /healthz with OK, and names what it serves on every other path", async () => {
  const health = await fetch(`${serving.address}/healthz`);
  expect([health.status, await health.text()]).toEqual([200, "OK"]);
  for (const method of ["HEAD", "POST"]) {
    const other = await fetch(`${serving.address}/healthz`, { method });
    expect([other.status, other.headers.get("allow"), await other.text()]).toEqual([405, "GET", ""]);
  }
  const ready = await fetch(`${serving.address}/ready`);
  expect(ready.status).toBe(200);
  expect(await ready.json()).toMatchObject({ ready: true, parts: { database: "ok", buildkit: "ok" } });
  expect((await fetch(`${serving.address}/x`)).status).toBe(404);
  expect((await fetch(`${serving.address}/build`)).status).toBe(405);
});

test("W13 the first push of a new branch is built: it says that the branch was nothing before", async () => {
  await using branches = await createInstallation({ build_branch: "main=production,feature/*=staging" });
  const { github } = branches;
  const server = await branches.start();
  const files = stackOf({ one: "FROM busybox\nRUN echo new > /new\n" });
  await github.createRepository("Alice", "fns", { files, branch: "main" });
  const sha = await github.commit("Alice", "fns", { files, branch: "feature/new" });
  const payload = { ...github.pushPayload({ owner: "Alice", name: "fns", sha, branch: "feature/new" }) };
  const first = { ...payload, before: "0".repeat(40), created: true, commits: [] };
  expect((await github.deliver(`${server.address}/github-event`, first)).status).toBe(202);
  expect((await branches.ended(sha)).one).toMatch(/^success: /);
  const runs = await ask(branches.settings.DATABASE_URL ?? "", "select before, environment, state from push");
  expect(runs).toEqual([{ before: null, environment: "staging", state: "success" }]);
});

test("only owners of the list in customers_path are built, whatever their case, as soon as it is given", async () => {
  await using closed = await createInstallation();
  const list = join(closed.folder, "customers");
  await writeFile(list, "someone\n");
  closed.settings.customers_path = list;
  const server = await closed.start();
  const { sha } = await closed.github.createRepository("Alice", "fns", { files: { x: "x" }, branch: "main" });
  expect((await closed.push(server, { sha, branch: "main" })).body).toMatchObject({
    accepted: false,
    message: expect.stringContaining("Alice"),
  });
  await writeFile(list, "someone\n  aLICE \n");
  expect((await closed.push(server, { sha, branch: "main" })).body).toMatchObject({ accepted: true });
  await closed.ended(sha);
});
