import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask } from "../database/scratch.ts";
import { examplesOf } from "../github-server/deliveries.ts";
import { createInstallation, type Installation, type Serving } from "./serving.ts";

let installation: Installation;
let serving: Serving;

beforeAll(async () => {
  installation = await createInstallation();
  serving = await installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

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

test.for(["ping", "star", "installation", "pull_request"])(
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

test("W13 a tag and a deleted branch are ignored with the reason", async () => {
  const payload = examplesOf("push")[0];
  const zero = "0".repeat(40);
  const rows = [
    [{ ...payload, ref: "refs/tags/v1" }, "tags are not built"],
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
  const ready = await fetch(`${serving.address}/ready`);
  expect(ready.status).toBe(200);
  expect(await ready.json()).toMatchObject({ ready: true, parts: { database: "ok", buildkit: "ok" } });
  expect((await fetch(`${serving.address}/x`)).status).toBe(404);
  expect((await fetch(`${serving.address}/build`)).status).toBe(405);
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
