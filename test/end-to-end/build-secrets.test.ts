import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import nacl from "tweetnacl";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { archive } from "../contexts/archives.ts";
import { createInstallation, digestOf, type Installation, type Serving } from "./serving.ts";

const run = promisify(execFile);
const main = join(import.meta.dirname, "../../src/cli/main.ts");
let installation: Installation;
let serving: Serving;

beforeAll(async () => {
  installation = await createInstallation();
  serving = await installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

interface PublicKey {
  readonly key_id: string;
  readonly algorithm: string;
  readonly public_key: string;
}

const keyFile = (name: string) => join(installation.folder, "secrets", name);
const keygen = (name: string) => run(process.execPath, [main, "keygen", "-o", keyFile(name)]);

async function publicKey(path = "/publickey"): Promise<PublicKey> {
  return (await fetch(`${serving.address}${path}`)).json() as Promise<PublicKey>;
}

function seal(secrets: Readonly<Record<string, string>>, { key_id, public_key }: PublicKey): string {
  const sender = nacl.box.keyPair();
  const recipient = new Uint8Array(Buffer.from(public_key, "base64"));
  const lines = Object.entries(secrets).map(([id, value]) => {
    const nonce = new Uint8Array(randomBytes(24));
    const box = nacl.box(new Uint8Array(Buffer.from(value)), nonce, recipient, sender.secretKey);
    return `    ${id}: ${Buffer.concat([nonce, box]).toString("base64")}`;
  });
  const from = Buffer.from(sender.publicKey).toString("base64");
  return `version: v1\nalgorithm: nacl/box\nkey_id: ${key_id}\npublic_key: ${from}\nsecrets:\n${lines.join("\n")}\n`;
}

/** The step takes the secret, and leaves a proof that it did in the image: no more than its length. */
const dockerfile = `FROM busybox
RUN --mount=type=secret,id=token,required=true wc -c < /run/secrets/token > /length
`;

async function build(sealed: string, file = dockerfile): Promise<{ status: number; text: string; digest: string }> {
  const body = archive(
    { name: "context/Dockerfile", body: file },
    { name: "com.openfaas.docker.config", body: `{"image":"${inject("registry")}/secrets/x:1"}` },
    { name: "com.openfaas.secrets", mode: 0o600, body: sealed },
  );
  const answer = await fetch(`${serving.address}/build`, { method: "POST", body: new Uint8Array(body) });
  const text = await answer.text();
  return { status: answer.status, text, digest: JSON.parse(text).digest };
}

test("without a key the server says what to do", async () => {
  const answer = await fetch(`${serving.address}/publickey`);
  expect([answer.status, await answer.json()]).toEqual([
    503,
    { error: "this server has no key for build secrets", fix: expect.stringContaining("of-builder keygen") },
  ]);
});

test("sealed secrets reach the Dockerfile, and neither log, image, cache nor log of the server", async () => {
  const { stdout } = await keygen("build-secrets-key");
  const key = await publicKey();
  expect(key).toEqual({ key_id: key.public_key.slice(0, 8), algorithm: "nacl/box", public_key: expect.any(String) });
  expect(stdout).toContain(`key id: ${key.key_id}`);
  expect(await publicKey("/public-key")).toEqual(key);

  const first = await build(seal({ token: "hunter2-first" }, key));
  expect(first).toMatchObject({ status: 200, digest: expect.stringMatching(/^sha256:/) });
  expect(first.digest).toBe(await digestOf("secrets/x", "1"));
  const second = await build(seal({ token: "hunter2-second" }, key));
  expect(second.digest).toBe(first.digest);
  for (const { text } of [first, second]) expect(text).not.toContain("hunter2");
  expect(JSON.stringify(serving.log)).not.toContain("hunter2");
  const other = await build(seal({ other: "hunter2" }, key), `${dockerfile}RUN true\n`.replace("length", "other"));
  expect(other).toMatchObject({ status: 500, text: expect.stringContaining("token") });
});

test("a key is replaced without a restart: the old one still opens what was sealed for it", async () => {
  const old = await publicKey();
  await rename(keyFile("build-secrets-key"), keyFile("build-secrets-key-old"));
  await rename(keyFile("build-secrets-key.pub"), keyFile("old.pub"));
  await keygen("build-secrets-key");
  const current = await publicKey();
  expect(current.key_id).not.toBe(old.key_id);
  for (const key of [old, current]) expect((await build(seal({ token: "x" }, key))).status).toBe(200);
});
