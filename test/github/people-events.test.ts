import { expect, test } from "vitest";
import { examplesOf } from "../github-server/deliveries.ts";
import { guid, plainPolicy, read } from "./reading.ts";

const sha = "0123456789012345678901234567890123456789";
const run = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
const installation = { id: 7 };
const repository = examplesOf("push").find(({ ref }) => ref === "refs/heads/master")?.repository as object;
const sender = { login: "octocat" };
const asked = {
  delivery: guid,
  by: "octocat",
  owner: "Codertocat",
  repository: "Hello-World",
  repositoryId: "186853002",
  installationId: "7",
};

function pullRequest(change: { action?: string; fork?: boolean; base?: string; sha?: string } = {}) {
  const example = examplesOf("pull_request").find(({ action }) => action === "synchronize") ?? {};
  const { pull_request } = example as { pull_request: { head: object; base: object } };
  return {
    ...example,
    number: 12,
    action: change.action ?? "synchronize",
    pull_request: {
      ...pull_request,
      updated_at: "2026-11-22T10:00:00Z",
      head: { ...pull_request.head, sha: change.sha ?? sha, ...(change.fork && { repo: { id: 99 } }) },
      base: { ...pull_request.base, ref: change.base ?? "master" },
    },
  };
}

const ofPullRequest = { event: "pull_request" };

test("a pull request from within the repository is built, under its own name", async () => {
  const { decision } = await read(pullRequest(), ofPullRequest);
  expect(decision).toMatchObject({
    kind: "push",
    push: {
      kind: "pull_request",
      ref: "refs/pull/12/head",
      branch: "pr-12",
      environment: "",
      sha,
      pushedAt: Date.parse("2026-11-22T10:00:00Z") / 1000,
      pullRequest: { number: 12, fork: false, base: "master" },
    },
  });
  expect(decision).not.toHaveProperty("skip");
});

test("W18 a fork's pull request waits for the approval of exactly its commit", async () => {
  expect((await read(pullRequest({ fork: true }), ofPullRequest)).decision).toMatchObject({
    kind: "push",
    approvable: true,
    skip: `waiting for approval: a person who may write here comments "/ok-to-test ${sha}"`,
    push: { pullRequest: { fork: true } },
  });
});

test("W18 a pull request whose fork was deleted counts as a fork's", async () => {
  const gone = pullRequest();
  const head = { ...gone.pull_request.head, repo: null };
  const event = { ...gone, pull_request: { ...gone.pull_request, head } };
  expect((await read(event, ofPullRequest)).decision).toMatchObject({ approvable: true });
});

test.for([
  ["closed", pullRequest({ action: "closed" }), "all", 'pull request 12: "closed" brings no commits'],
  [
    "for another branch",
    pullRequest({ base: "dev" }),
    "all",
    "pull request 12 is for dev, the build branch is: master",
  ],
  [
    "of a fork, by setting",
    pullRequest({ fork: true }),
    "own",
    "pull request 12 comes from a fork: build_pull_requests is own",
  ],
  ["at all, by setting", pullRequest(), "none", "pull request 12: build_pull_requests is none"],
  [
    "of a commit that is none",
    pullRequest({ sha: "HEAD" }),
    "all",
    'commit "HEAD" is not accepted: expected 40 or 64 lower-case hex digits, not all 0',
  ],
] as const)("a pull request %s is ignored with the reason", async ([, payload, pullRequests, reason]) => {
  const { decision } = await read(payload, { ...ofPullRequest, policy: { ...plainPolicy, pullRequests } });
  expect(decision).toEqual({ kind: "ignored", reason });
});

const comment = (body: string, change: Record<string, unknown> = {}) => ({
  action: "created",
  issue: { number: 12, pull_request: {} },
  comment: { body },
  repository,
  installation,
  sender,
  ...change,
});

test.for([`/ok-to-test ${sha}`, `looks fine\r\n\r\n  /ok-to-test ${sha.toUpperCase()}  \r\nthanks`])(
  "W18 the comment %j approves of the commit that it names",
  async (body) => {
    expect((await read(comment(body), { event: "issue_comment" })).decision).toEqual({
      kind: "command",
      asked: { ...asked, command: { kind: "approve", pullRequest: 12, sha } },
    });
  },
);

test.for([
  ["of other words", comment("nice /ok-to-test"), "the comment does not say /ok-to-test"],
  ["without a commit", comment("/ok-to-test"), "/ok-to-test needs the whole name of the commit, 40 digits"],
  [
    "with a part of one",
    comment(`/ok-to-test ${sha.slice(0, 12)}`),
    "/ok-to-test needs the whole name of the commit, 40 digits",
  ],
  [
    "that was edited",
    comment(`/ok-to-test ${sha}`, { action: "edited" }),
    "the comment is no new one of a pull request",
  ],
  [
    "of an issue",
    comment(`/ok-to-test ${sha}`, { issue: { number: 1 } }),
    "the comment is no new one of a pull request",
  ],
  [
    "outside of an installation",
    comment(`/ok-to-test ${sha}`, { installation: undefined }),
    "the App is not installed on Codertocat/Hello-World",
  ],
] as const)("W18 a comment %s approves of nothing", async ([, payload, reason]) => {
  expect((await read(payload, { event: "issue_comment" })).decision).toEqual({ kind: "ignored", reason });
});

const check = (change: Record<string, unknown> = {}) => ({
  action: "rerequested",
  check_run: { external_id: `${run}/api`, app: { id: 5 } },
  repository,
  installation,
  sender,
  ...change,
});
const button = (identifier: string) => check({ action: "requested_action", requested_action: { identifier } });

test.for([
  ["re-run of a function", check(), { kind: "rebuild", push: run, force: true, only: ["api"], rerun: "api" }],
  [
    "re-run of the stack",
    check({ check_run: { external_id: `${run}/stack-deploy`, app: { id: 5 } } }),
    { kind: "rebuild", push: run, force: false, rerun: "stack-deploy" },
  ],
  [
    "re-run of a bare run",
    check({ check_run: { external_id: run, app: { id: 5 } } }),
    { kind: "rebuild", push: run, force: false, rerun: "stack-deploy" },
  ],
  ["rerun-failed", button("rerun-failed"), { kind: "rerun_failed", push: run }],
  ["rebuild-all", button("rebuild-all"), { kind: "rebuild", push: run, force: true }],
  ["cancel", button("cancel"), { kind: "cancel", push: run }],
  ["approve", button("approve"), { kind: "approve", push: run }],
] as const)("a check's %s is a command of its sender", async ([, payload, command]) => {
  expect((await read(payload, { event: "check_run", appId: "5" })).decision).toEqual({
    kind: "command",
    asked: { ...asked, command },
  });
});

test.for([
  ["another App's", check({ check_run: { external_id: `${run}/api`, app: { id: 6 } } }), "the check is none of ours"],
  ["one without our id", check({ check_run: { external_id: "x", app: { id: 5 } } }), "the check is none of ours"],
  ["a strange button", button("format-disk"), 'the button "format-disk" is none of ours'],
  ["one that was made", check({ action: "created" }), '"created" of a check asks for nothing'],
] as const)("a check that is %s asks for nothing", async ([, payload, reason]) => {
  expect((await read(payload, { event: "check_run", appId: "5" })).decision).toEqual({ kind: "ignored", reason });
});

test("re-running all of a commit builds all of its newest run", async () => {
  const payload = { ...check(), check_suite: { head_sha: sha, app: { id: 5 } } };
  expect((await read(payload, { event: "check_suite", appId: "5" })).decision).toEqual({
    kind: "command",
    asked: { ...asked, command: { kind: "rebuild", push: { sha }, force: true, rerun: "stack-deploy" } },
  });
});

test("commands of who is no customer are ignored", async () => {
  const customers = async () => false;
  expect((await read(check(), { event: "check_run", customers })).decision).toMatchObject({
    kind: "ignored",
    reason: expect.stringContaining("customers"),
  });
});

test.for([
  [
    "installation",
    "created",
    {
      installationId: "957387",
      state: "active",
      repositories: [expect.objectContaining({ owner: "Codertocat", name: "Hello-World" })],
    },
  ],
  ["installation", "suspend", { installationId: "16598467", state: "suspended" }],
  ["installation", "deleted", { installationId: "2", state: "deleted", repositories: [] }],
  [
    "installation_repositories",
    "added",
    { repositories: [{ id: "186853007", owner: "Codertocat", name: "Space", private: false }], removed: [] },
  ],
  ["installation_repositories", "removed", { repositories: [], removed: [expect.stringMatching(/^\d+$/)] }],
  [
    "repository",
    "renamed",
    { installationId: "1", repositories: [expect.objectContaining({ private: expect.any(Boolean) })] },
  ],
  ["repository", "transferred", { repositories: [expect.objectContaining({ owner: expect.any(String) })] }],
  ["repository", "privatized", { repositories: [expect.objectContaining({ private: true })] }],
] as const)("W13 %s %s is remembered", async ([event, action, change]) => {
  const example = examplesOf(event).find((candidate) => candidate.action === action);
  expect((await read(example, { event })).decision).toMatchObject({ kind: "installed", change });
});
