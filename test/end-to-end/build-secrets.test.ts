import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import nacl from "tweetnacl";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { askRegistry } from "../ask-registry.ts";
import { archive } from "../contexts/archives.ts";
import { ask } from "../database/scratch.ts";
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

/** Everything that the registry has of an image: its manifest, its config, its layers unpacked. */
async function piecesOf(repository: string): Promise<readonly string[]> {
  const root = `http://${inject("registry")}/v2/${repository}`;
  const manifest = await (await askRegistry(`${root}/manifests/1`)).text();
  const { config, layers } = JSON.parse(manifest) as { config: { digest: string }; layers: { digest: string }[] };
  const blobs = await Promise.all(
    [config, ...layers].map(async ({ digest }) => {
      const bytes = Buffer.from(await (await fetch(`${root}/blobs/${digest}`)).arrayBuffer());
      return (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString("latin1");
    }),
  );
  return [manifest, ...blobs];
}

/** Every row of every table of the installation. */
async function databaseText(): Promise<string> {
  const url = installation.settings.DATABASE_URL ?? "";
  const tables = await ask(
    url,
    "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
  );
  expect(tables.length).toBeGreaterThan(10);
  const rows = await Promise.all(tables.map(({ name }) => ask(url, `select t::text as row from ${name} t`)));
  return rows.flatMap((found) => found.map(({ row }) => String(row))).join("\n");
}

test("K2 a secret that its Dockerfile prints is in no answer, log, message, layer, table or file", async () => {
  const key = await publicKey();
  const value = "s3same-open-the-door";
  const step = "RUN --mount=type=secret,id=token,required=true";
  const prints = `FROM busybox
${step} cat /run/secrets/token && echo && base64 /run/secrets/token && echo "it was: $(cat /run/secrets/token)" >&2
`;
  const encoded = Buffer.from(value).toString("base64").slice(0, 24);
  const built = await build(seal({ token: value }, key), `${prints}RUN echo kept > /kept\n`);
  expect(built.status).toBe(200);
  // Whether the end of the line comes with it is a matter of time.
  expect(built.text).toMatch(/"l: \S+ \*\*\*/);
  const failed = await build(seal({ token: value }, key), `FROM busybox\n${step} cat /run/secrets/token && exit 3\n`);
  expect(failed).toMatchObject({ status: 500, text: expect.stringContaining("exit code 3") });

  const pieces = await piecesOf("secrets/x");
  expect(pieces.length).toBeGreaterThanOrEqual(3);
  expect(pieces.some((piece) => piece.includes("kept\n"))).toBe(true);
  const texts = [built.text, failed.text, JSON.stringify(serving.log), await databaseText(), ...pieces];
  for (const text of texts) for (const form of [value, encoded]) expect(text.includes(form)).toBe(false);
  const found = run("grep", ["-rlaF", value, installation.folder]);
  await expect(found).rejects.toMatchObject({ code: 1, stdout: "" });
});

test("a key is replaced without a restart: the old one still opens what was sealed for it", async () => {
  const old = await publicKey();
  await rename(keyFile("build-secrets-key"), keyFile("build-secrets-key-old"));
  await rename(keyFile("build-secrets-key.pub"), keyFile("build-secrets-key-old.pub"));
  await keygen("build-secrets-key");
  const current = await publicKey();
  expect(current.key_id).not.toBe(old.key_id);
  for (const key of [old, current]) expect((await build(seal({ token: "x" }, key))).status).toBe(200);
});
