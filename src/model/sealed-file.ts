/*
 * Secrets of a build travel in the archive as the file com.openfaas.secrets, YAML: version "v1", algorithm "nacl/box",
 * key_id of the key that they are sealed for, public_key of the sender (made for this file alone) and secrets, a map
 * from id to base64 of a nonce of 24 bytes and the box. Ids are in the clear. They live in memory only: a Dockerfile
 * gets at one with RUN --mount=type=secret,id=ID, and it is in no layer and no cache key.
 */

/** The file's name at the root of the archive. */
export const sealedFileName = "com.openfaas.secrets";
export const sealedFileVersion = "v1";
/** The one algorithm that there is: Curve25519, XSalsa20, Poly1305. */
export const boxAlgorithm = "nacl/box";

const base64Form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Decodes base64 in its only spelling; undefined for anything else, of which Node would read what it likes. */
export function decodeBase64(text: string): Uint8Array | undefined {
  return base64Form.test(text) ? new Uint8Array(Buffer.from(text, "base64")) : undefined;
}

/** The id by which a sealed file names the key that opens it: the first eight characters of the public key's text. */
export function boxKeyId(publicKey: string): string {
  return publicKey.slice(0, 8);
}
