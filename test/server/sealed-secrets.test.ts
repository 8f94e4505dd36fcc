import { randomBytes } from "node:crypto";
import nacl from "tweetnacl";
import { describe, expect, test } from "vitest";
import type { BoxKey } from "../../src/server/box-keys.ts";
import { createKeyPair, parseBoxKey } from "../../src/server/box-keys.ts";
import { openSecrets } from "../../src/server/sealed-secrets.ts";
import { archive, type Member } from "../contexts/archives.ts";
import { post, serveBuilds } from "./build-requests.ts";

/** What today's `faas-cli secret seal key.pub --from-literal a=b --from-literal token=s3cr3t` wrote, and its key. */
const ofFaasCli = {
  key: "N/tEjfdA4f22MqiUEptCnCMUvPPIt442d2LYk+QUnpQ=",
  file: `version: v1
algorithm: nacl/box
key_id: tQ7nVkor
public_key: c5MJ0VPoGSBdCo5T0RNk9RGP4yvhC1OeaXTRs6GywmU=
secrets:
    a: EwpHIwvimuSQY7zWdOmGzleRdoF6MLhRSI374vPzmJOOxbtN90ezghQ=
    token: Vbglnyjzj9gWO+cThcSBv7QtfybBYnJPTe6M1hzmDCqTVCPDpO1VgTURbNPdCw==
`,
};

function newKey(): BoxKey {
  return parseBoxKey(createKeyPair().secretKey, "key");
}

/** Seals values for a key, or something that only looks so. */
function seal(values: Readonly<Record<string, string>>, key: BoxKey, changes: Readonly<Record<string, string>> = {}) {
  const sender = nacl.box.keyPair();
  const recipient = Buffer.from(key.publicKey, "base64");
  const lines = Object.entries(values).map(([id, value]) => {
    const nonce = new Uint8Array(randomBytes(24));
    const box = nacl.box(new Uint8Array(Buffer.from(value)), nonce, new Uint8Array(recipient), sender.secretKey);
    return `  ${JSON.stringify(id)}: ${Buffer.concat([nonce, box]).toString("base64")}\n`;
  });
  const fields = {
    version: "v1",
    algorithm: "nacl/box",
    key_id: key.id,
    public_key: Buffer.from(sender.publicKey).toString("base64"),
    secrets: `\n${lines.join("")}`,
    ...changes,
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join("");
}

const textsOf = (secrets: Readonly<Record<string, Uint8Array>>) =>
  Object.entries(secrets).map(([id, bytes]) => [id, Buffer.from(bytes).toString()]);

describe("sealed build secrets", () => {
  test("of the real faas-cli are opened", () => {
    const key = parseBoxKey(ofFaasCli.key, "key");
    expect(textsOf(openSecrets(ofFaasCli.file, [key]))).toEqual([
      ["a", "b"],
      ["token", "s3cr3t"],
    ]);
  });

  test("are opened by the key that they name, an older one too", () => {
    const [old, current] = [newKey(), newKey()];
    for (const key of [old, current])
      expect(textsOf(openSecrets(seal({ x: "1" }, key), [current, old]))).toEqual([["x", "1"]]);
    expect(() => openSecrets(seal({ x: "1" }, old), [current])).toThrow(
      `key_id "${old.id}" names no key of this server`,
    );
  });

  test("may be none, empty, binary or have odd ids", () => {
    const key = newKey();
    expect(openSecrets(seal({}, key), [key])).toEqual({});
    const odd = { empty: "", __proto__: "p", "a/b:c": "\u0000\n", constructor: "c" };
    expect(Object.fromEntries(textsOf(openSecrets(seal(odd, key), [key])))).toEqual(odd);
    expect(openSecrets(seal({ x: "1" }, key, { algorithm: "" }), [key])).toMatchObject({ x: expect.anything() });
  });

  const key = newKey();
  test.for<[string, string, RegExp]>([
    ["nothing", "", /version "" is not known/],
    ["another version", seal({}, key, { version: "v2" }), /version "v2" is not known: expected v1/],
    ["another algorithm", seal({}, key, { algorithm: "rsa" }), /algorithm "rsa" is not known/],
    ["another key", seal({ x: "1" }, newKey()), /names no key/],
    ["another key under the right id", seal({ x: "1" }, { ...newKey(), id: key.id }), /secret "x" cannot be opened/],
    ["a sender that is none", seal({}, key, { public_key: "AAAA" }), /public_key is no key/],
    ["a short value", seal({}, key, { secrets: "{x: AAAA}" }), /secret "x" is too short/],
    ["no base64", seal({}, key, { secrets: "{x: '%%'}" }), /secret "x" is no base64/],
    ["a value that is no text", seal({}, key, { secrets: "{x: [1]}" }), /x is no text/],
    ["a list", seal({}, key, { secrets: "[x]" }), /secrets is no map/],
    ["an id with a space", seal({ "a b": "1" }, key), /has an id that is none/],
    ["an id with an escape", seal({ "\u001b[31m": "1" }, key), /secret "\\u001b\[31m"/],
    ["too many", seal(Object.fromEntries(Array.from({ length: 101 }, (_, n) => [n, "1"])), key), /more than 100/],
    ["one that is too large", seal({ x: "x".repeat(600_000) }, key), /larger than 512000 bytes/],
    ["no YAML", "{", /cannot be read/],
    ["a bomb", `a: &a [${"x,".repeat(10)}]\nb: &b [${"*a,".repeat(2000)}]`, /cannot be read/],
  ])("are refused with %s, without a value in the message", ([, text, message]) => {
    const opening = () => openSecrets(text, [key]);
    expect(opening).toThrow(expect.objectContaining({ code: "body_invalid", message: expect.stringMatching(message) }));
  });

  test("that were changed on the way are refused", () => {
    const text = seal({ x: "a secret" }, key);
    const value = /x": (\S+)/.exec(text)?.[1] ?? "";
    const bytes = Buffer.from(value, "base64");
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    expect(() => openSecrets(text.replace(value, bytes.toString("base64")), [key])).toThrow("cannot be opened");
  });
});

test.for(["", "x", "AAAA", `${"A".repeat(43)}`, "A".repeat(88)])("%j is no private key, and is not told", (text) => {
  expect(() => parseBoxKey(text, "file")).toThrow("file is no key for build secrets: expected base64 of 32 bytes");
});

describe("POST /build with build secrets", () => {
  const key = newKey();
  const members: readonly Member[] = [
    { name: "context/Dockerfile", body: "FROM busybox" },
    { name: "com.openfaas.docker.config", body: '{"image":"r/x"}' },
  ];
  const withSecrets = (text: string) => archive(...members, { name: "com.openfaas.secrets", mode: 0o600, body: text });

  test("hands them to the build only, in memory, and overwrites them after it", async () => {
    const seen: string[] = [];
    let kept: Uint8Array | undefined;
    await using server = await serveBuilds({
      boxKeys: async () => [key],
      async build({ context, secrets }) {
        seen.push(Buffer.from(secrets.token ?? []).toString(), ...(await context.list("")).map(({ path }) => path));
        kept = secrets.token;
      },
    });
    const answer = await post(server, withSecrets(seal({ token: "s3cr3t" }, key)));
    expect(answer.status).toBe(200);
    expect(seen).toEqual(["s3cr3t", "Dockerfile"]);
    expect(kept?.every((byte) => byte === 0)).toBe(true);
    expect(answer.text).not.toContain("s3cr3t");
  });

  test("is refused where they cannot be opened, or the server has no key", async () => {
    await using server = await serveBuilds({ boxKeys: async () => [key] });
    await using without = await serveBuilds();
    const text = seal({ token: "s3cr3t" }, newKey());
    expect((await post(server, withSecrets(text))).status).toBe(400);
    const refused = await post(without, withSecrets(text));
    expect([refused.status, refused.json.error]).toEqual([503, "this server has no key for build secrets"]);
    expect([...server.orders, ...without.orders]).toEqual([]);
  });
});
