import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { ask, eventually } from "../database/scratch.ts";
import { createInstallation, digestOf, type Installation, owner, type Serving, stackOf } from "./serving.ts";

let installation: Installation;
let serving: Serving;

beforeAll(async () => {
  installation = await createInstallation({ docker_mirror: inject("registry") });
  serving = await installation.start();
  installation.github.writers.add("maintainer");
});
afterAll(() => installation[Symbol.asyncDispose]());

const good = "FROM busybox\nRUN echo good > /good\n";
const rows = (sql: string, values: unknown[] = []) => ask(installation.settings.DATABASE_URL ?? "", sql, values);
const deliver = async (event: string, payload: object) => {
  const answer = await installation.github.deliver(`${serving.address}/webhook`, payload, { event });
  return (await answer.json()) as { delivery: string; accepted: boolean; message: string };
};
const commandOf = (id: string) =>
  eventually(
    async () => (await rows("select state, reason from command where id = $1 and ended_at is not null", [id]))[0],
  );
const runsOf = (sha: string) => rows(`select id, state, kind, skip from push where sha = $1 order by "order"`, [sha]);
const endedRun = (id: string) =>
  eventually(
    async () => (await rows("select state, description from push where id = $1 and ended_at is not null", [id]))[0],
  );

/** A repository with a pull request of a branch of its own, or of a fork. */
async function openPull(name: string, { fork }: { fork: boolean }) {
  const { github } = installation;
  const { sha: base, id } = await github.createRepository(owner, name, {
    files: { ...stackOf({ one: good }), [name]: "" },
    branch: "main",
  });
  const sha = await github.commit(owner, name, { files: stackOf({ one: `${good}RUN true\n` }), branch: "feature" });
  await github.openPull(owner, name, { number: 7, sha, fork });
  const { repository, installation: app } = github.pushPayload({ owner, name, sha, branch: "main" });
  const about = { repository, installation: app };
  const repo = (isOwn: boolean) => ({ id: isOwn ? Number(id) : 1 });
  const pull_request = {
    head: { sha, repo: repo(!fork) },
    base: { ref: "main", repo: repo(true) },
    updated_at: new Date().toISOString(),
  };
  return { sha, base, about, event: { action: "opened", number: 7, pull_request, ...about } };
}

const comment = (about: object, { login, sha }: { login: string; sha: string }) => ({
  action: "created",
  issue: { number: 7, pull_request: {} },
  comment: { body: `/ok-to-test ${sha}` },
  sender: { login },
  ...about,
});

test("a pull request is built under its number, and its base's image stays what it is", async () => {
  const { sha, event } = await openPull("own", { fork: false });
  expect(await deliver("pull_request", event)).toMatchObject({ accepted: true });
  expect((await installation.ended(sha))["stack-deploy"]).toMatch(/^success: /);
  expect(await digestOf("alice/own-one", `1-pr-7-${sha.slice(0, 7)}`)).toMatch(/^sha256:/);
  expect(await rows("select branch from function_build where repository = 'own'")).toEqual([
    { branch: "refs:pull/7/head" },
  ]);
});

test("a push of the same commit to a branch that is not built does not hide how the pull request went", async () => {
  const { sha, event } = await openPull("both", { fork: false });
  await deliver("pull_request", event);
  const told = await installation.ended(sha);
  expect(told["stack-deploy"]).toMatch(/^success: stack is successfully built/);
  const { body } = await installation.push(serving, { name: "both", sha, branch: "feature" });
  expect(body.message).toMatch(/^skipping build/);
  await eventually(async () => {
    const [report] = await rows("select 1 from report join push on id = push_id where skip is not null and ended");
    return report;
  });
  expect(await installation.ended(sha)).toEqual(told);
});

test("W18 a fork's commit is built once a person who may write approves exactly it, and no sooner", async () => {
  const { sha, about, event } = await openPull("forked", { fork: true });
  const { message } = await deliver("pull_request", event);
  expect(message).toMatch(/^waiting for approval/);
  await eventually(async () => (await runsOf(sha))[0]?.state === "ignored");

  const stranger = await deliver("issue_comment", comment(about, { login: "stranger", sha }));
  expect(await commandOf(stranger.delivery)).toEqual({
    state: "refused",
    reason: "stranger may not write to Alice/forked",
  });
  const other = await deliver("issue_comment", comment(about, { login: "maintainer", sha: "f".repeat(40) }));
  expect(await commandOf(other.delivery)).toEqual({
    state: "refused",
    reason: "fffffff is not the newest commit of pull request 7",
  });
  expect(await runsOf(sha)).toHaveLength(1);

  const good = await deliver("issue_comment", comment(about, { login: "maintainer", sha }));
  expect(await commandOf(good.delivery)).toMatchObject({ state: "done" });
  expect(await endedRun(good.delivery)).toMatchObject({ state: "success" });
  expect(await digestOf("alice/forked-one", `1-pr-7-${sha.slice(0, 7)}`)).toMatch(/^sha256:/);
});

test("W18 an approval builds a fork's commit whose event was missed, and a new commit needs a new one", async () => {
  const { sha, about } = await openPull("missed", { fork: true });
  const approved = await deliver("issue_comment", comment(about, { login: "maintainer", sha }));
  expect(await commandOf(approved.delivery)).toMatchObject({ state: "done", reason: expect.stringMatching(/^run /) });
  expect((await runsOf(sha)).map(({ kind }) => kind)).toEqual(["pull_request"]);

  const next = await installation.github.commit(owner, "missed", { files: { x: "x" }, branch: "feature" });
  await installation.github.openPull(owner, "missed", { number: 7, sha: next, fork: true });
  const late = await deliver("issue_comment", comment(about, { login: "maintainer", sha }));
  expect((await commandOf(late.delivery))?.state).toBe("refused");
  expect(await runsOf(next)).toEqual([]);
});

test("a check's buttons work for who may write, and for runs of the same repository alone", async () => {
  const { base, about } = await openPull("buttons", { fork: false });
  const run =
    (await installation.push(serving, { name: "buttons", sha: base, branch: "main" })) && (await runsOf(base))[0];
  await installation.ended(base);
  const press = (identifier: string, login = "maintainer", where: object = about) =>
    deliver("check_run", {
      action: "requested_action",
      requested_action: { identifier },
      check_run: { external_id: `${run?.id}/one`, app: { id: Number(installation.github.appId) } },
      sender: { login },
      ...where,
    });

  const refused = await press("rebuild-all", "stranger");
  expect(await commandOf(refused.delivery)).toMatchObject({ state: "refused" });
  const rebuilt = await press("rebuild-all");
  expect(await commandOf(rebuilt.delivery)).toEqual({ state: "done", reason: `run ${rebuilt.delivery} was started` });
  expect(await endedRun(rebuilt.delivery)).toMatchObject({ state: "success" });
  const failed = await press("rerun-failed");
  expect(await commandOf(failed.delivery)).toEqual({ state: "done", reason: "nothing of the run had failed" });
  const cancelled = await press("cancel");
  expect(await commandOf(cancelled.delivery)).toEqual({ state: "done", reason: "the run had ended before" });
  const approved = await press("approve");
  expect(await commandOf(approved.delivery)).toEqual({ state: "refused", reason: "the run waits for no approval" });

  const { about: elsewhere } = await openPull("elsewhere", { fork: false });
  const foreign = await press("cancel", "maintainer", elsewhere);
  expect(await commandOf(foreign.delivery)).toEqual({
    state: "refused",
    reason: "there is no such run of Alice/elsewhere",
  });
});

test("Re-run of a function's check builds that one, of the stack's what is needed, and Re-run all everything", async () => {
  const { github } = installation;
  const files = { ...stackOf({ one: good, two: good }), rerun: "" };
  const { sha } = await github.createRepository(owner, "rerun", { files, branch: "main" });
  await installation.push(serving, { name: "rerun", sha, branch: "main" });
  await installation.ended(sha);
  const [run] = await runsOf(sha);
  const { repository, installation: app } = github.pushPayload({ owner, name: "rerun", sha });
  const asked = { action: "rerequested", sender: { login: "maintainer" }, repository, installation: app };
  const ours = { id: Number(github.appId) };
  const functionsOf = async ({ delivery }: { delivery: string }) => {
    expect(await commandOf(delivery)).toEqual({ state: "done", reason: `run ${delivery} was started` });
    expect(await endedRun(delivery)).toMatchObject({ state: "success" });
    const functions = await rows("select function, state from push_function where push_id = $1", [delivery]);
    return Object.fromEntries(functions.map(({ function: name, state }) => [name, state]));
  };
  const check = (context: string) =>
    deliver("check_run", { ...asked, check_run: { external_id: `${run?.id}/${context}`, app: ours } });
  expect(await functionsOf(await check("one"))).toEqual({ one: "built" });
  expect(await functionsOf(await check("stack-deploy"))).toEqual({ one: "unchanged", two: "unchanged" });
  const suite = { ...asked, check_suite: { head_sha: sha, app: ours } };
  expect(await functionsOf(await deliver("check_suite", suite))).toEqual({ one: "built", two: "built" });

  // Of the same commit on a branch that is not built there is a newer run, which builds nothing.
  const { body } = await installation.push(serving, { name: "rerun", sha, branch: "feature" });
  expect(body.message).toMatch(/^skipping build/);
  expect((await runsOf(sha)).at(-1)).toMatchObject({ skip: expect.stringMatching(/^skipping build/) });
  expect(await functionsOf(await deliver("check_suite", suite))).toEqual({ one: "built", two: "built" });
});

test("the button of a check cancels what runs, and GitHub is told so at once", async () => {
  const files = stackOf({ endless: "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid && sleep 600\n" });
  const { sha } = await installation.github.createRepository(owner, "endless", { files, branch: "main" });
  await installation.push(serving, { name: "endless", sha, branch: "main" });
  const [run] = await eventually(async () => {
    const running = await rows(
      "select id from push join push_function on push_id = id where sha = $1 and push_function.state = 'running'",
      [sha],
    );
    return running.length > 0 && running;
  });
  const { repository, installation: app } = installation.github.pushPayload({ owner, name: "endless", sha });
  const pressed = await deliver("check_run", {
    action: "requested_action",
    requested_action: { identifier: "cancel" },
    check_run: { external_id: `${run?.id}/endless`, app: { id: Number(installation.github.appId) } },
    sender: { login: "maintainer" },
    repository,
    installation: app,
  });
  expect(await commandOf(pressed.delivery)).toEqual({ state: "done", reason: "the run is cancelled" });
  expect(await installation.ended(sha)).toEqual({
    endless: "error: cancelled: cancelled by maintainer",
    "stack-deploy": "error: cancelled: cancelled by maintainer: endless",
  });
});

test("W18 the button of a check allows a fork's commit", async () => {
  const { sha, about, event } = await openPull("pressed", { fork: true });
  const { delivery } = (await deliver("pull_request", event)) as { delivery: string };
  const press = (login: string) =>
    deliver("check_run", {
      action: "requested_action",
      requested_action: { identifier: "approve" },
      check_run: { external_id: `${delivery}/stack-deploy`, app: { id: Number(installation.github.appId) } },
      sender: { login },
      ...about,
    });
  expect(await commandOf((await press("stranger")).delivery)).toMatchObject({ state: "refused" });
  expect((await runsOf(sha)).map(({ id }) => id)).toEqual([delivery]);
  const allowed = await press("maintainer");
  expect(await endedRun(allowed.delivery)).toMatchObject({ state: "success" });
  expect(await digestOf("alice/pressed-one", `1-pr-7-${sha.slice(0, 7)}`)).toMatch(/^sha256:/);
});

test("W12 an event of an installation that does not reach the repository leads to nothing", async () => {
  const { github } = installation;
  const { base, about } = await openPull("unreached", { fork: false });
  const repository = about.repository as { id: number };
  github.unselected.add(String(repository.id));
  await installation.push(serving, { name: "unreached", sha: base, branch: "main" });
  const [run] = await runsOf(base);
  expect(await endedRun(String(run?.id))).toMatchObject({
    state: "error",
    description: expect.stringContaining("does not reach Alice/unreached"),
  });
  const asked = await deliver("issue_comment", comment(about, { login: "maintainer", sha: base }));
  expect(await commandOf(asked.delivery)).toMatchObject({
    state: "refused",
    reason: expect.stringMatching(/^the App is not installed on Alice\/unreached/),
  });
  expect(await digestOf("alice/unreached-one", `1-main-${base.slice(0, 7)}`)).toBeUndefined();
});

test("W12 an installation that is suspended, or another one's number, builds nothing", async () => {
  const { github } = installation;
  const { base, about } = await openPull("suspended", { fork: false });
  const forged = github.pushPayload({ owner, name: "suspended", sha: base, branch: "main" });
  const { delivery } = await deliver("push", { ...forged, installation: { id: 999 } });
  expect(await endedRun(delivery)).toMatchObject({ state: "error" });

  github.suspend(true);
  try {
    const asked = await deliver("issue_comment", comment(about, { login: "maintainer", sha: base }));
    expect(await commandOf(asked.delivery)).toMatchObject({ state: "refused" });
  } finally {
    github.suspend(false);
  }
  expect(await digestOf("alice/suspended-one", `1-main-${base.slice(0, 7)}`)).toBeUndefined();
});

test("W18 an approval builds no pull request that the settings leave out", async () => {
  const { sha, about } = await openPull("left-out", { fork: true });
  await serving.end("SIGTERM");
  installation.settings.build_pull_requests = "own";
  serving = await installation.start();
  const approved = await deliver("issue_comment", comment(about, { login: "maintainer", sha }));
  expect(await commandOf(approved.delivery)).toEqual({
    state: "refused",
    reason: "pull request 7 comes from a fork: build_pull_requests is own",
  });
  expect(await runsOf(sha)).toEqual([]);
});
