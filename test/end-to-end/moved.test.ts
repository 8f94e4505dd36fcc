import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, eventually } from "../database/scratch.ts";
import { createInstallation, digestOf, type Installation, owner, type Serving, stackOf } from "./serving.ts";

let installation: Installation;
let serving: Serving;

beforeAll(async () => {
  installation = await createInstallation();
  serving = await installation.start();
  installation.github.writers.add("maintainer");
});
afterAll(() => installation[Symbol.asyncDispose]());

const good = "FROM busybox\nRUN echo good > /good\n";
const rows = (sql: string, values: unknown[] = []) => ask(installation.settings.DATABASE_URL ?? "", sql, values);
const create = (name: string) =>
  installation.github.createRepository(owner, name, { files: { ...stackOf({ one: good }), [name]: "" } });
const deliver = async (event: string, payload: object) => {
  const answer = await installation.github.deliver(`${serving.address}/github-event`, payload, { event });
  return ((await answer.json()) as { delivery: string }).delivery;
};
const endOf = (id: string) =>
  eventually(async () => {
    const [run] = await rows("select state, description from push where id = $1 and ended_at is not null", [id]);
    return run;
  });

test("W13 a push that was told under a repository's former name is fetched where the repository is today", async () => {
  const { github } = installation;
  const { sha } = await create("former");
  const payload = github.pushPayload({ owner, name: "former", sha });
  github.rename(owner, "former", "today");
  const { repository } = github.pushPayload({ owner, name: "today", sha });
  await deliver("repository", { action: "renamed", repository, installation: payload.installation });
  expect(await endOf(await deliver("push", payload))).toMatchObject({ state: "success" });
  // What a run's images are called does not change under whoever uses them.
  expect(await digestOf("alice/former-one", `1-master-${sha.slice(0, 7)}`)).toMatch(/^sha256:/);
});

test("W13 a run of a repository that has another owner now is built anew through that one's installation", async () => {
  const { github } = installation;
  const { sha } = await create("given");
  const payload = github.pushPayload({ owner, name: "given", sha });
  const before = await deliver("push", { ...payload, installation: { id: 999 } });
  expect(await endOf(before)).toMatchObject({ state: "error" });

  github.rename(owner, "given", "Bob/given");
  const { repository, installation: app } = github.pushPayload({ owner: "Bob", name: "given", sha });
  await deliver("repository", { action: "transferred", repository, installation: app });
  const check_run = { external_id: `${before}/stack-deploy`, app: { id: Number(github.appId) } };
  const asked = { action: "rerequested", check_run, sender: { login: "maintainer" } };
  const rebuilt = await deliver("check_run", { ...asked, repository, installation: app });
  expect(await endOf(rebuilt)).toMatchObject({ state: "success" });
  expect((await installation.ended(sha))["stack-deploy"]).toMatch(/^success/);
});
