import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, eventually } from "../database/scratch.ts";
import { createInstallation, digestOf, type Installation, owner, type Serving, stackOf } from "./serving.ts";

let installation: Installation;
let serving: Serving;
let bobs: string;

const other = "Bob";
const good = "FROM busybox\nRUN echo good > /good\n";

beforeAll(async () => {
  installation = await createInstallation();
  bobs = installation.github.install(other);
  serving = await installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

const create = (account: string, name: string) =>
  installation.github.createRepository(account, name, {
    files: { ...stackOf({ one: good }), [name]: account },
    branch: "main",
    private: true,
  });
async function push(account: string, { name, sha, ...more }: { name: string; sha: string; installation?: object }) {
  const payload = installation.github.pushPayload({ owner: account, name, sha, branch: "main" });
  const answer = await installation.github.deliver(`${serving.address}/webhook`, { ...payload, ...more });
  return ((await answer.json()) as { delivery: string }).delivery;
}
const endOf = (id: string) =>
  eventually(async () => {
    const [run] = await ask(
      installation.settings.DATABASE_URL ?? "",
      "select state, description from push where id = $1 and ended_at is not null",
      [id],
    );
    return run;
  });

test("K1 repositories of two installations are each built with tokens of their own one, for them alone", async () => {
  const { github } = installation;
  const [mine, theirs] = [await create(owner, "mine"), await create(other, "theirs")];
  await Promise.all([push(owner, mine), push(other, theirs)]);
  expect((await installation.ended(mine.sha)).one).toMatch(/^success: /);
  expect((await installation.ended(theirs.sha)).one).toMatch(/^success: /);
  const given = github.issued.map(({ installationId, repositoryIds }) => [installationId, ...(repositoryIds ?? [])]);
  expect(new Set(given.map((scope) => scope.join(" ")))).toEqual(
    new Set([`${github.installationId} ${mine.id}`, `${bobs} ${theirs.id}`]),
  );
});

test("W12 a push that names another account's installation is built with no token at all", async () => {
  const { github } = installation;
  const { sha } = await create(other, "forged");
  const id = await push(other, { name: "forged", sha, installation: { id: Number(github.installationId) } });
  expect(await endOf(id)).toMatchObject({ state: "error", description: expect.stringContaining("does not reach") });
  expect(await digestOf("bob/forged-one", `1-main-${sha.slice(0, 7)}`)).toBeUndefined();
});

test("an installation that GitHub holds back, or that is suspended, keeps no other one waiting", async () => {
  const { github } = installation;
  const [held, free] = [await create(owner, "held"), await create(other, "free")];
  const hour = { kind: "secondary-limit", retryAfterSeconds: 3600 } as const;
  github.failNext({ fault: hour, matching: `POST /repos/${owner}/held/statuses` });
  await push(owner, held);
  await eventually(async () => github.calls.some((call) => call.includes(`/${owner}/held/statuses`)));
  await push(other, free);
  expect((await installation.ended(free.sha)).one).toMatch(/^success: /);
  expect(github.statuses.latest(held.sha).size).toBe(0);

  github.suspend(true);
  const later = await github.commit(other, "free", { files: { x: "x" }, branch: "main" });
  await push(other, { name: "free", sha: later });
  expect((await installation.ended(later)).one).toMatch(/^success: /);
});
