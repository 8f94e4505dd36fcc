import { expect, test } from "vitest";
import { parseSealingKey, sealSecrets } from "../../src/remote/seal-secrets.ts";
import { createKeyPair, parseBoxKey } from "../../src/server/box-keys.ts";
import { openSecrets } from "../../src/server/sealed-secrets.ts";

const pair = createKeyPair();
const holder = parseBoxKey(pair.secretKey, "key");

test("what is sealed is opened by the holder of the key, byte for byte, whatever ids and values are", () => {
  const secrets = {
    plain: Buffer.from("s3cr3t"),
    'quo"ted: {id}': Buffer.from("x"),
    "#hash": Buffer.of(),
    __proto__x: Buffer.from([0, 255, 10, 13]),
    "1": Buffer.alloc(100_000, "long"),
    true: Buffer.from("word"),
  };
  const text = sealSecrets(secrets, parseSealingKey(pair.publicKey, "key"));
  expect(text).not.toContain("s3cr3t");
  const ids = Object.keys(secrets).filter((id) => !id.includes(" "));
  const spaceless = Object.fromEntries(ids.map((id) => [id, secrets[id as keyof typeof secrets]]));
  const opened = openSecrets(sealSecrets(spaceless, parseSealingKey(pair.publicKey, "key")), [holder]);
  expect(Object.fromEntries(Object.entries(opened).map(([id, bytes]) => [id, Buffer.from(bytes)]))).toEqual(spaceless);
});

test("the same secrets are sealed differently each time", () => {
  const key = parseSealingKey(pair.publicKey, "key");
  const [one, other] = [sealSecrets({ a: Buffer.from("x") }, key), sealSecrets({ a: Buffer.from("x") }, key)];
  expect(one).not.toBe(other);
});

test.for<[string, string]>([
  ["the text of its file", `${pair.publicKey}\n`],
  ["what a server answers", JSON.stringify({ key_id: pair.id, algorithm: "nacl/box", public_key: pair.publicKey })],
  ["an answer with the key alone", JSON.stringify({ public_key: pair.publicKey })],
])("a key is taken as %s", ([, text]) => {
  const { id, publicKey } = parseSealingKey(text, "the key");
  expect([id, Buffer.from(publicKey).toString("base64")]).toEqual([pair.id, pair.publicKey]);
});

test.for<[string, RegExp]>([
  ["", /the key is no public key: expected base64 of 32 bytes/],
  ["bm8=", /no public key/],
  [JSON.stringify({ algorithm: "rot13", public_key: pair.publicKey }), /is for "rot13": expected nacl\/box/],
])("what is no key is told: %s", ([text, message]) => {
  expect(() => parseSealingKey(text, "the key")).toThrow(message);
});
