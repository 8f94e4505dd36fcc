import { expect, test } from "vitest";
import type { CheckRun } from "../github-server/checks.ts";
import { createInstallation, type Installation, owner, stackOf } from "./serving.ts";

const good = "FROM busybox\nRUN echo good > /good\n";
const broken = "from busybox\nRUN echo fine\nRUN echo lost >&2 && exit 7\n";
const checks = { report_with: "checks" };

const create = (installation: Installation, files: Record<string, string>) =>
  installation.github.createRepository(owner, "fns", { files, branch: "main" });

/** Waits until the stack's check of a commit has ended, and answers all its checks by name. */
async function ended({ github }: Installation, sha: string): Promise<Readonly<Record<string, CheckRun>>> {
  await github.checks.until(({ latest }) => latest(sha).get("stack-deploy")?.status === "completed");
  return Object.fromEntries(github.checks.latest(sha));
}

test("a push becomes a check of the stack and one of each function, with log, lines at fault and buttons", async () => {
  await using installation = await createInstallation(checks);
  const { github } = installation;
  const serving = await installation.start();
  const stack = stackOf({ good, bad: broken });
  const text = stack["stack.yml"]?.replace("image: good:1", "image: good:1, lable: {a: b}") ?? "";
  const { sha } = await create(installation, { ...stack, "stack.yml": text });
  await installation.push(serving, { sha, branch: "main" });
  const { good: fine, bad, "stack-deploy": whole } = await ended(installation, sha);

  expect(fine).toMatchObject({ status: "completed", conclusion: "success" });
  expect(fine?.title).toMatch(/^Built in \d+\.\d s/);
  expect(fine?.summary).toMatch(/\| digest \| `sha256:[0-9a-f]{64}` \|/);
  expect(fine?.text).toContain("RUN echo good > /good");

  expect(bad).toMatchObject({ status: "completed", conclusion: "failure" });
  expect(bad?.title).toMatch(/^bad\/Dockerfile:3 .*exit code 7/);
  expect(bad?.text).toMatch(/ lost\n/);
  expect(bad?.actions.map(({ identifier }) => identifier)).toEqual(["rerun-failed", "rebuild-all"]);
  expect(bad?.annotations).toMatchObject([
    { path: "bad/Dockerfile", start_line: 3, annotation_level: "failure" },
    { path: "bad/Dockerfile", start_line: 1, annotation_level: "warning" },
  ]);

  expect(whole).toMatchObject({ conclusion: "failure", title: "1 of 2 functions failed: bad" });
  expect(whole?.summary).toMatch(/❌ \| `bad` \|[\s\S]*✅ \| `good` \| built/);
  expect(whole?.annotations).toMatchObject([{ path: "stack.yml", annotation_level: "warning" }]);
  expect(github.checks.all).toHaveLength(3);
  expect(github.statuses.all).toEqual([]);
});

test("a wrong handler, and an error of stack.yml, become annotations at their lines", async () => {
  await using installation = await createInstallation(checks);
  const { github } = installation;
  const serving = await installation.start();
  const files = stackOf({ good, bad: good });
  const text = files["stack.yml"] ?? "";
  const wrong = text.replace("handler: ./bad", "handler: ./bed");
  const { sha } = await create(installation, { ...files, "stack.yml": wrong });
  await installation.push(serving, { sha, branch: "main" });
  const { good: fine, bad, "stack-deploy": whole } = await ended(installation, sha);
  expect([fine?.conclusion, bad?.conclusion, whole?.conclusion]).toEqual(["success", "failure", "failure"]);
  expect(bad?.title).toMatch(/^stack\.yml:4 handler "bed" does not exist/);
  const place = { path: "stack.yml", start_line: 4, start_column: 36, annotation_level: "failure" };
  expect(bad?.annotations).toMatchObject([place]);

  const unreadable = { "stack.yml": text.replace("image: bad:1", "skip_build: perhaps") };
  const broken = await github.commit(owner, "fns", { files: unreadable, branch: "main" });
  await installation.push(serving, { sha: broken, branch: "main" });
  const { "stack-deploy": unread } = await ended(installation, broken);
  expect(unread?.conclusion).toBe("failure");
  expect(unread?.annotations).toMatchObject([{ path: "stack.yml", start_line: 4, annotation_level: "failure" }]);
});

test("a function that is cancelled for a newer push leads to that one's commit, and has no buttons", async () => {
  await using installation = await createInstallation(checks);
  const { github } = installation;
  const serving = await installation.start();
  const { sha } = await create(installation, stackOf({ endless: "FROM busybox\nRUN sleep 600\n" }));
  const pushedAt = 1_700_000_000;
  await installation.push(serving, { sha, branch: "main", pushedAt });
  await github.checks.until(({ latest }) => latest(sha).get("endless")?.status === "in_progress");
  const newer = await github.commit(owner, "fns", { files: stackOf({ good }) });
  await installation.push(serving, { sha: newer, branch: "main", pushedAt: pushedAt + 1 });
  await ended(installation, newer);
  const shown = await ended(installation, sha);
  for (const check of Object.values(shown)) {
    expect(check).toMatchObject({ conclusion: "cancelled", actions: [] });
    expect(check.summary).toContain(`[${newer.slice(0, 7)}](`);
  }
  expect(Object.keys(shown).toSorted()).toEqual(["endless", "stack-deploy"]);
});

test.for(["check_run", "check_suite"] as const)(
  "%s: checks that are not run again, for who may not write, stay queued at GitHub no longer than it takes to say so",
  async (kind) => {
    await using installation = await createInstallation(checks);
    const { github } = installation;
    const serving = await installation.start();
    const { sha } = await create(installation, stackOf({ good }));
    await installation.push(serving, { sha, branch: "main" });
    const before = structuredClone(await ended(installation, sha));
    const app = { id: Number(github.appId) };
    const { repository, installation: installed } = github.pushPayload({ owner, name: "fns", sha });
    const asked = {
      check_run: { external_id: before.good?.externalId, app },
      check_suite: { head_sha: sha, app },
    };
    const payload = { action: "rerequested", [kind]: asked[kind], sender: { login: "stranger" }, repository };

    github.checks.rerequest(sha);
    expect(github.checks.suite(sha)).toBe("queued");
    await github.deliver(`${serving.address}/github-event`, { ...payload, installation: installed }, { event: kind });
    await github.checks.until(({ suite }) => suite(sha) === "completed");
    const after = await ended(installation, sha);
    const told = Object.entries(after).map(([name, { changedAt: _, ...check }]) => [name, check]);
    expect(Object.fromEntries(told)).toEqual(
      Object.fromEntries(Object.entries(before).map(([name, { changedAt: _, ...check }]) => [name, check])),
    );
  },
);

test("an installation that permits no checks is shown statuses by themselves", async () => {
  await using installation = await createInstallation(checks);
  const { github } = installation;
  github.grant({ contents: "read", metadata: "read", statuses: "write" });
  const serving = await installation.start();
  const { sha } = await create(installation, stackOf({ good }));
  await installation.push(serving, { sha, branch: "main" });
  expect(await installation.ended(sha)).toMatchObject({
    "stack-deploy": expect.stringMatching(/^success/),
    good: expect.stringMatching(/^success/),
  });
  expect(github.checks.all).toEqual([]);
  // It is found out once, and remembered.
  const refused = github.calls.filter((call) => call.includes("access_tokens")).length - github.issued.length;
  expect(refused).toBe(1);
});

test("a server that is killed between the creation of a check and its note of that leaves one check", async () => {
  await using installation = await createInstallation(checks);
  const { github } = installation;
  const first = await installation.start();
  const { sha } = await create(installation, stackOf({ good }));
  // The listener is asked before the answer is sent: the server never learns of the check.
  const killed = new Promise<void>((resolve) => {
    const forget = github.checks.onChange(() => {
      forget();
      first.process.kill("SIGKILL");
      resolve();
    });
  });
  await installation.push(first, { sha, branch: "main" });
  await killed;
  await first.end("SIGKILL");
  expect(github.checks.all).toHaveLength(1);
  await installation.start();
  const { "stack-deploy": whole, good: fine } = await ended(installation, sha);
  expect([whole?.conclusion, fine?.conclusion]).toEqual(["success", "success"]);
  expect(github.checks.all.filter(({ name }) => name === "stack-deploy")).toHaveLength(1);
});

test("a stack of 100 functions meets no limit, and shows its end and those of the failed ones", async () => {
  await using installation = await createInstallation({ ...checks, report_interval: "50ms", max_inflight: "8" });
  const { github } = installation;
  // A twentieth of GitHub's minute and second.
  github.limit({ writes: { max: 80, inMs: 3_000 }, pauseMs: 45 });
  const serving = await installation.start();
  const names = Array.from({ length: 100 }, (_, at) => `fn${at}`);
  const dockerfiles = names.map((name, at) => [name, at % 25 === 0 ? "FROM busybox\nRUN exit 3\n" : "FROM busybox\n"]);
  const { sha } = await create(installation, stackOf(Object.fromEntries(dockerfiles)));
  await installation.push(serving, { sha, branch: "main" });
  const shown = await ended(installation, sha);
  expect(Object.keys(shown).toSorted()).toEqual(["fn0", "fn25", "fn50", "fn75", "stack-deploy"]);
  expect(shown["stack-deploy"]?.title).toBe("4 of 100 functions failed: fn0, fn25, fn50, fn75");
  expect(shown["stack-deploy"]?.summary?.match(/✅/g)).toHaveLength(96);
  expect(github.refusals).toEqual([]);
});

test("a push that waits shows how many wait before it, and moves up when one of them begins", async () => {
  await using installation = await createInstallation({ ...checks, max_inflight: "1" });
  const { github } = installation;
  const serving = await installation.start();
  github.writers.add("maintainer");
  const endless = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid && sleep 600\n";
  const shas: string[] = [];
  // One owner has two pushes at a time where a process builds one function.
  for (const name of ["first", "second", "third", "fourth"]) {
    const files = stackOf({ one: endless });
    const { sha } = await github.createRepository(owner, name, { files: { ...files, [name]: "" }, branch: "main" });
    await installation.push(serving, { name, sha, branch: "main", guid: `${name}-5555-5555` });
    await github.checks.until(({ latest }) => latest(sha).has("stack-deploy"));
    shas.push(sha);
  }
  const [, , third = "", fourth = ""] = shas;
  const shown = (sha: string, text: string) =>
    github.checks.until(({ latest }) => `${latest(sha).get("stack-deploy")?.summary}`.includes(text));
  await shown(third, "next to be built");
  await shown(fourth, "1 push waits before this one");
  expect(github.checks.latest(fourth).get("stack-deploy")).toMatchObject({
    status: "queued",
    title: "1 push waits before this one",
  });

  const { repository, installation: app } = github.pushPayload({ owner, name: "first", sha: shas[0] ?? "" });
  const check_run = { external_id: "first-5555-5555/stack-deploy", app: { id: Number(github.appId) } };
  const pressed = { action: "requested_action", requested_action: { identifier: "cancel" }, check_run };
  const by = { sender: { login: "maintainer" }, repository, installation: app };
  await github.deliver(`${serving.address}/webhook`, { ...pressed, ...by }, { event: "check_run" });
  await shown(fourth, "next to be built");
  await github.checks.until(({ latest }) => latest(third).get("stack-deploy")?.status === "in_progress");
});

test("a stack of 100 functions that all fail meets no limit, and tells of each", async () => {
  await using installation = await createInstallation({ ...checks, report_interval: "20ms", max_inflight: "8" });
  const { github } = installation;
  // GitHub's manners at a sixtieth: 101 checks are more than one stretch takes.
  github.limit({ writes: { max: 80, inMs: 1_000 }, pauseMs: 10 });
  const serving = await installation.start();
  const names = Array.from({ length: 100 }, (_, at) => `fn${at}`);
  const { sha } = await create(
    installation,
    stackOf(Object.fromEntries(names.map((name) => [name, "FROM busybox\nRUN exit 3\n"]))),
  );
  await installation.push(serving, { sha, branch: "main" });
  await github.checks.until(({ latest }) => {
    const all = [...latest(sha).values()];
    return all.length === 101 && all.every(({ status }) => status === "completed");
  });
  const shown = await ended(installation, sha);
  expect(names.map((name) => shown[name]?.conclusion)).toEqual(Array(100).fill("failure"));
  expect(shown["stack-deploy"]?.title).toMatch(/^100 of 100 functions failed/);
  expect(github.checks.all).toHaveLength(101);
  expect(github.refusals).toEqual([]);
});
