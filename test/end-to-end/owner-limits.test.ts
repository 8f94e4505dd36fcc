import { expect, test } from "vitest";
import { ask } from "../database/scratch.ts";
import { createInstallation, type Installation, owner, type Serving, stackOf } from "./serving.ts";

const good = "FROM busybox\nRUN echo good > /good\n";

async function pushOnce(
  { github, push, ended }: Installation,
  serving: Serving,
  about: { owner?: string; name: string },
) {
  const { owner: by = owner, name } = about;
  const files = { ...stackOf({ one: good }), [name]: "", "one/data": "x".repeat(1000) };
  const { sha } = await github.createRepository(by, name, { files, branch: "main" });
  if (by === owner) await push(serving, { name, sha, branch: "main" });
  else await github.deliver(`${serving.address}/webhook`, github.pushPayload({ owner: by, name, sha, branch: "main" }));
  return ended(sha);
}

test("an owner's pushes within an hour are bounded, and people see why", async () => {
  await using installation = await createInstallation({ owner_builds_per_hour: "1" });
  const serving = await installation.start();
  expect((await pushOnce(installation, serving, { name: "first" }))["stack-deploy"]).toMatch(/^success: /);
  expect((await pushOnce(installation, serving, { name: "second" }))["stack-deploy"]).toMatch(
    /^failure: Alice had 1 pushes built within an hour, of 1 allowed, the next one may be at \d\d:\d\d UTC/,
  );
  const other = await pushOnce(installation, serving, { owner: "Bob", name: "third" });
  expect(other["stack-deploy"]).toMatch(/^success: /);
});

test("an owner's minutes within a day are bounded, and people see why", async () => {
  await using installation = await createInstallation({ owner_minutes_per_day: "2" });
  const serving = await installation.start();
  expect((await pushOnce(installation, serving, { name: "first" }))["stack-deploy"]).toMatch(/^success: /);
  await ask(installation.settings.DATABASE_URL ?? "", "update push_function set seconds = 121");
  expect((await pushOnce(installation, serving, { name: "second" }))["stack-deploy"]).toMatch(
    /^failure: Alice had 2 minutes of builds within a day, of 2 allowed/,
  );
});

test("an owner's context is bounded, and the function says why", async () => {
  await using installation = await createInstallation({ owner_context_bytes: "900" });
  const serving = await installation.start();
  const ended = await pushOnce(installation, serving, { name: "large" });
  expect(ended.one).toMatch(/^failure: the build context has 10\d\d bytes, of 900 allowed/);
});
