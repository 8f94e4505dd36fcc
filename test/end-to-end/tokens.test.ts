import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createInstallation, type Installation, owner, type Serving, stackOf } from "./serving.ts";

let installation: Installation;
let serving: Serving;
const publicUrl = "https://builder.example.com";

/** An OpenFaaS gateway that only counts who asks it. */
const gateway = createServer((_request, response) => {
  asked += 1;
  response.end();
});
let asked = 0;

beforeAll(async () => {
  await once(gateway.listen(0, "127.0.0.1"), "listening");
  const { port } = gateway.address() as AddressInfo;
  installation = await createInstallation({ public_url: publicUrl, gateway_url: `http://127.0.0.1:${port}` });
  installation.github.registration.hook = { url: "https://old.example.com/github-event", content_type: "json" };
  installation.github.useStatelessTokens();
  serving = await installation.start();
});
afterAll(async () => {
  gateway.close();
  await installation[Symbol.asyncDispose]();
});

async function pushPrivate(name: string): Promise<Readonly<Record<string, string>>> {
  const files = stackOf({ hello: `FROM busybox\nRUN echo ${name}\n` });
  const { sha } = await installation.github.createRepository(owner, name, { files, branch: "main", private: true });
  expect((await installation.push(serving, { name, sha, branch: "main" })).status).toBe(202);
  return installation.ended(sha);
}

test("K1 tokens in the form of 2026 fetch a private repository and show its end, and are nowhere to be read", async () => {
  expect((await pushPrivate("stateless")).hello).toMatch(/^success: /);
  const told = JSON.stringify(serving.log);
  expect(told).not.toMatch(/ghs_\d|x-access-token/);
});

test("K5 a webhook's secret that is replaced while the server runs counts at once, and the old one beside it", async () => {
  const file = join(installation.folder, "secrets", "github-webhook-secret");
  const { webhookSecret } = installation.github;
  await writeFile(file, `${randomBytes(20).toString("hex")}\n`);
  const payload = installation.github.pushPayload({ owner, name: "stateless", sha: "0".repeat(40) });
  const send = () => installation.github.deliver(`${serving.address}/github-event`, payload, { event: "push" });
  expect((await send()).status).toBe(401);
  await writeFile(file, `${randomBytes(20).toString("hex")}\n${webhookSecret}\n`);
  expect((await send()).status).toBe(202);
});

test("K5 the key of the App is read anew, also with its line ends written out", async () => {
  const file = join(installation.folder, "secrets", "private-key");
  installation.github.revokeTokens();
  await writeFile(file, installation.github.privateKeyPem.trim().replaceAll("\n", "\\n"));
  expect((await pushPrivate("mended")).hello).toMatch(/^success: /);
});

test("K4 the gateway's credentials are in the folder of secrets, and no build, log or gateway sees them", async () => {
  const password = randomBytes(16).toString("hex");
  await writeFile(join(installation.folder, "secrets", "basic-auth-password"), password);
  const mounts = "--mount=type=secret,id=basic-auth-password --mount=type=secret,id=basic-auth-password,env=WORD";
  const files = stackOf({
    thief: `FROM busybox\nRUN ${mounts} test -z "$WORD" && test ! -e /run/secrets/basic-auth-password\n`,
  });
  const { sha } = await installation.github.createRepository(owner, "thief", { files, branch: "main" });
  await installation.push(serving, { name: "thief", sha, branch: "main" });
  expect((await installation.ended(sha)).thief).toMatch(/^success: /);
  expect([asked, JSON.stringify(serving.log).includes(password)]).toEqual([0, false]);
});

test("the App's webhook is kept at the public address", async () => {
  await serving.logged("GitHub delivers to this server's public address now");
  expect(installation.github.registration.hook.url).toBe(`${publicUrl}/github-event`);
});
