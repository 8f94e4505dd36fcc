import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { parsePrivateKey } from "../../src/github/private-key.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pkcs1 = privateKey.export({ type: "pkcs1", format: "pem" }).toString();
const pkcs8 = privateKey.export({ type: "pkcs8", format: "pem" }).toString();

test.for([
  ["PKCS#1", pkcs1],
  ["PKCS#8", pkcs8],
  ["PKCS#1 with written-out line ends", pkcs1.trim().replaceAll("\n", "\\n")],
  ["PKCS#8 with written-out line ends", pkcs8.replaceAll("\n", "\\n")],
  ["Windows line ends", pkcs1.replaceAll("\n", "\r\n")],
  ["blanks around it", `\n  ${pkcs1}\n\n`],
] as const)("K5 a key in %s is taken", ([, text]) => {
  expect(parsePrivateKey(text)).toBe(pkcs8);
});

test.for([
  ["nothing", ""],
  ["its first line only", "-----BEGIN RSA PRIVATE KEY-----"],
  ["a public key", publicKey.export({ type: "spki", format: "pem" }).toString()],
  ["half of a key", pkcs1.slice(0, 800)],
  [
    "a key of another kind",
    generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  ],
] as const)("K5 %s is refused without being quoted", ([, text]) => {
  const fault = expect.objectContaining({ code: "setting_invalid", message: expect.not.stringContaining("BEGIN") });
  expect(() => parsePrivateKey(text)).toThrow(fault);
});
