import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask } from "../database/scratch.ts";
import { payloadExamples } from "../github-server/deliveries.ts";
import { createInstallation, type Installation, type Serving } from "./serving.ts";

let installation: Installation;
let serving: Serving;

beforeAll(async () => {
  installation = await createInstallation({ worker: "false", sweep_interval: "0s", poll_interval: "0s" });
  serving = await installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

/** What the examples lead to that are not ignored, by event and action. */
const accepted: Readonly<Record<string, string>> = {
  "push refs/heads/master": "will be built",
  "pull_request opened": "of branch pr-2 will be built",
  "pull_request synchronize": "of branch pr-2 will be built",
  "pull_request reopened": "of branch pr-2 will be built",
};

const events = /^(push|ping|installation.*|check_.*|pull_request|issue_comment|repository)$/;
const rows = payloadExamples
  .filter(({ name }) => events.test(name))
  .flatMap(({ name, examples }) => examples.map((example, index) => ({ name, index, example })));

test.for(rows)("GitHub's example $name $index is answered with its decision, and stored with it", async (row) => {
  const { name, example } = row;
  const guid = randomUUID();
  const answer = await installation.github.deliver(`${serving.address}/webhook`, example, { event: name, guid });
  const told = (await answer.json()) as { accepted: boolean; message: string };
  const wanted = accepted[`${name} ${example.action ?? example.ref}`];
  expect({ status: answer.status, ...told }).toMatchObject({
    status: 202,
    accepted: wanted !== undefined,
    message: expect.stringContaining(wanted ?? ""),
  });
  expect(told.message).not.toBe("");
  const url = installation.settings.DATABASE_URL ?? "";
  const [stored] = await ask(url, "select event, accepted, reason, run from delivery where guid = $1", [guid]);
  expect(stored).toMatchObject({
    event: name,
    accepted: wanted !== undefined,
    run: wanted === undefined ? null : guid,
  });
  if (wanted === undefined) expect(stored?.reason).toBe(told.message);
});
