import { createHmac, timingSafeEqual } from "node:crypto";
import { BuilderError } from "../errors.ts";

const signatureText = /^sha256=([0-9a-f]{64})$/i;

/**
 * Checks that a body was signed with one of the installation's secrets: `X-Hub-Signature-256: sha256=HEX`, the
 * HMAC-SHA256 of the raw bytes. Two secrets are in force while one replaces the other; both are always compared, each
 * in constant time. The older `X-Hub-Signature` (SHA-1) counts as none.
 * @param header the header's value as it arrived
 * @throws BuilderError `signature_missing`, `signature_wrong`; `setting_invalid` when there is no secret to check with
 */
export function checkSignature(body: Uint8Array, header: string | undefined, secrets: readonly string[]): void {
  const keys = secrets.filter((secret) => secret !== "");
  if (keys.length === 0) {
    throw new BuilderError("setting_invalid", "no webhook secret is set, so no delivery can be trusted", {
      fix: "Put the secret of the GitHub App's webhook into the file github-webhook-secret.",
    });
  }
  if (header === undefined || header === "") {
    throw new BuilderError("signature_missing", "the delivery has no X-Hub-Signature-256 header");
  }
  const hex = signatureText.exec(header)?.[1];
  if (hex === undefined) {
    throw new BuilderError("signature_wrong", "X-Hub-Signature-256 is not sha256= and 64 hex digits");
  }
  const given = Buffer.from(hex, "hex");
  const matches = keys.map((key) => timingSafeEqual(given, createHmac("sha256", key).update(body).digest()));
  if (!matches.includes(true)) {
    throw new BuilderError("signature_wrong", "X-Hub-Signature-256 does not match the body");
  }
}
