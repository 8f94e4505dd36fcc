import nacl from "tweetnacl";
import { BuilderError } from "../errors.ts";

/** A pair of keys that build secrets are sealed for (Curve25519). */
export interface BoxKey {
  /** The first eight characters of the public key's text: by it a sealed file names the key that opens it. */
  readonly id: string;
  /** Base64 of 32 bytes. */
  readonly publicKey: string;
  readonly secretKey: Uint8Array;
}

/** The one algorithm that there is: Curve25519, XSalsa20, Poly1305. */
export const boxAlgorithm = "nacl/box";

const base64Form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Makes a pair of keys; both as the text of the files that `faas-cli secret keygen` writes, too. */
export function createKeyPair(): { id: string; secretKey: string; publicKey: string } {
  const { secretKey, publicKey } = nacl.box.keyPair();
  const text = Buffer.from(publicKey).toString("base64");
  return { id: idOf(text), secretKey: Buffer.from(secretKey).toString("base64"), publicKey: text };
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
  return { id: idOf(publicKey), publicKey, secretKey };
}

/** Decodes base64 in its only spelling; undefined for anything else, of which Node would read what it likes. */
export function decodeBase64(text: string): Uint8Array | undefined {
  return base64Form.test(text) ? new Uint8Array(Buffer.from(text, "base64")) : undefined;
}

function idOf(publicKey: string): string {
  return publicKey.slice(0, 8);
}
