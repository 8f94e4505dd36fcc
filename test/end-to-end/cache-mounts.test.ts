import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { ask, eventually } from "../database/scratch.ts";
import { createInstallation, type Installation, type Serving, stackOf } from "./serving.ts";

let installation: Installation;
let serving: Serving;

beforeAll(async () => {
  installation = await createInstallation({ docker_mirror: inject("registry") });
  serving = await installation.start();
  installation.github.writers.add("maintainer");
});
afterAll(() => installation[Symbol.asyncDispose]());

let steps = 0;
const id = `shared-${process.pid}-${Date.now()}`;
/** Runs a command with a cache folder, whose id everybody may know, and leaves something there. No step is another's. */
const using = (command: string, cache = id) => {
  const run = `RUN --mount=type=cache,id=${cache},target=/c ${command} && touch /c/here && : ${++steps}`;
  return stackOf({ one: `FROM busybox\n${run}\n` });
};
const deliver = async (event: string, payload: object) =>
  (await installation.github.deliver(`${serving.address}/github-event`, payload, { event })).json();

/** Pushes a repository of an owner, and answers how its function ended. */
async function pushed(owner: string, name: string, files: Record<string, string>): Promise<string> {
  const { github } = installation;
  const { sha } = await github.createRepository(owner, name, { files: { ...files, [owner + name]: "" } });
  await deliver("push", github.pushPayload({ owner, name, sha }));
  return (await installation.ended(sha)).one ?? "";
}

test("D5 an owner's builds share cache mounts, and another owner's reach none of them, whatever the id", async () => {
  expect(await pushed("Alice", "first", using("test ! -e /c/here"))).toMatch(/^success/);
  expect(await pushed("Alice", "second", using("test -e /c/here"))).toMatch(/^success/);
  expect(await pushed("Bob", "third", using("test ! -e /c/here"))).toMatch(/^success/);
  for (const [name, cache] of [
    ["up", `../alice/${id}`],
    ["root", `/alice/${id}`],
    ["named", `alice/${id}`],
  ] as const)
    expect(await pushed("Bob", name, using("test ! -e /c/here", cache))).toMatch(/^success/);
});

test("D5, W18 a fork's commit that was approved reads nothing of its base's cache mounts, and leaves nothing there", async () => {
  const { github } = installation;
  const files = using("test ! -e /c/fork && test ! -e /c/here && touch /c/fork", `${id}-fork`);
  await pushed("Alice", "base", using("true", `${id}-fork`));
  const sha = await github.commit("Alice", "base", { files, branch: "feature" });
  await github.openPull("Alice", "base", { number: 7, sha, fork: true });
  const { repository, installation: app } = github.pushPayload({ owner: "Alice", name: "base", sha });
  const comment = { body: `/ok-to-test ${sha}` };
  const issue = { number: 7, pull_request: {} };
  const asked = { action: "created", issue, comment, sender: { login: "maintainer" } };
  await deliver("issue_comment", { ...asked, repository, installation: app });
  const end = await eventually(async () => {
    const rows = "select state, description from push where sha = $1 and ended_at is not null";
    return (await ask(installation.settings.DATABASE_URL ?? "", rows, [sha]))[0];
  });
  expect(end).toMatchObject({ state: "success" });
  expect(await pushed("Alice", "after", using("test ! -e /c/fork", `${id}-fork`))).toMatch(/^success/);
});
