import nacl from "tweetnacl";
import { BuilderError } from "../errors.ts";
import { boxKeyId, decodeBase64 } from "../model/sealed-file.ts";

/** A pair of keys that build secrets are sealed for (Curve25519). */
export interface BoxKey {
  /** The first eight characters of the public key's text: by it a sealed file names the key that opens it. */
  readonly id: string;
  /** Base64 of 32 bytes. */
  readonly publicKey: string;
  readonly secretKey: Uint8Array;
}

/** Makes a pair of keys; both as the text of the files that `faas-cli secret keygen` writes, too. */
export function createKeyPair(): { id: string; secretKey: string; publicKey: string } {
  const { secretKey, publicKey } = nacl.box.keyPair();
  const text = Buffer.from(publicKey).toString("base64");
  return { id: boxKeyId(text), secretKey: Buffer.from(secretKey).toString("base64"), publicKey: text };
}

/**
 * Parses a private key as `of-builder keygen` and `faas-cli secret keygen` write it: base64 of 32 bytes.
 * @param source where it comes from, as it shall stand in errors
 * @throws BuilderError `setting_invalid`; the key is no part of its message
 */
export function parseBoxKey(text: string, source: string): BoxKey {
  const secretKey = decodeBase64(text.trim());
  if (secretKey?.length !== nacl.box.secretKeyLength) {
    throw new BuilderError("setting_invalid", `${source} is no key for build secrets: expected base64 of 32 bytes`, {
      fix: "Make one with of-builder keygen.",
    });
  }
  const publicKey = Buffer.from(nacl.box.keyPair.fromSecretKey(secretKey).publicKey).toString("base64");
  return { id: boxKeyId(publicKey), publicKey, secretKey };
}
