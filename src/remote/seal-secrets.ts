import { randomBytes } from "node:crypto";
import nacl from "tweetnacl";
import { BuilderError } from "../errors.ts";
import { parsePublicKey } from "../model/build-api.ts";
import { boxAlgorithm, boxKeyId, decodeBase64, sealedFileVersion } from "../model/sealed-file.ts";

/** A server's key, to seal build secrets for. */
export interface SealingKey {
  readonly id: string;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/**
 * Parses a public key: base64 of 32 bytes, as of-builder keygen writes it, or the JSON that a server answers.
 * @param source where it comes from, as it shall stand in errors
 * @throws BuilderError `usage`
 */
export function parseSealingKey(text: string, source: string): SealingKey {
  const told = parsePublicKey(text);
  const base64 = told?.public_key ?? text.trim();
  const algorithm = told?.algorithm || boxAlgorithm;
  if (algorithm !== boxAlgorithm) throw fault(`${source} is for "${algorithm.slice(0, 100)}"`, boxAlgorithm);
  const publicKey = decodeBase64(base64);
  if (publicKey?.length !== nacl.box.publicKeyLength) throw fault(`${source} is no public key`, "base64 of 32 bytes");
  return { id: told?.key_id || boxKeyId(base64), publicKey };
}

/**
 * Seals secrets for the holder of a key; nobody else can open them, nor can their sender any more.
 * @param secrets their bytes by id
 * @returns the text of the archive's sealed file
 */
export function sealSecrets(secrets: Readonly<Record<string, Uint8Array>>, { id, publicKey }: SealingKey): string {
  const sender = nacl.box.keyPair();
  const sealOne = (bytes: Uint8Array) => {
    const nonce = new Uint8Array(randomBytes(nacl.box.nonceLength));
    return Buffer.concat([nonce, nacl.box(new Uint8Array(bytes), nonce, publicKey, sender.secretKey)]).toString(
      "base64",
    );
  };
  // JSON's strings are YAML's, too.
  const sealed = Object.entries(secrets).map(([name, bytes]) => `  ${JSON.stringify(name)}: ${sealOne(bytes)}\n`);
  return `version: ${sealedFileVersion}
algorithm: ${boxAlgorithm}
key_id: ${JSON.stringify(id)}
public_key: ${Buffer.from(sender.publicKey).toString("base64")}
secrets:
${sealed.join("")}`;
}

function fault(what: string, expected: string): BuilderError {
  return new BuilderError("usage", `${what}: expected ${expected}`, {
    fix: "Take it from the server's /publickey, or from the FILE.pub of of-builder keygen.",
  });
}
