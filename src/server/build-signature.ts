import { createHmac, type Hmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { BuilderError } from "../errors.ts";

/** A signature that a request claims, to be held against its body. */
export interface ClaimedSignature {
  /** Takes the bytes of the body exactly as they arrive. */
  update(chunk: Buffer): void;
  /** @throws BuilderError `signature_wrong` */
  check(): void;
}

/**
 * Reads the signature of a request to the build API: `X-Build-Signature: sha256=HEX`, the HMAC of the raw body. Clients
 * from 2018 to 2021 send `X-Cloud-Signature: sha1=HEX`, which counts only where the installation allows it.
 * @param secret the payload secret, not empty
 * @throws BuilderError `signature_missing`, or `signature_wrong` for one in another form
 */
export function readSignature(
  headers: IncomingHttpHeaders,
  { secret, allowSha1 }: { secret: string; allowSha1: boolean },
): ClaimedSignature {
  const newest = headers["x-build-signature"];
  if (newest !== undefined) return claim("X-Build-Signature", String(newest), createHmac("sha256", secret));
  const old = headers["x-cloud-signature"];
  if (old !== undefined && allowSha1) return claim("X-Cloud-Signature", String(old), createHmac("sha1", secret));
  const refused = old === undefined ? "" : ": X-Cloud-Signature with SHA-1 is not accepted here";
  throw new BuilderError("signature_missing", `the request has no X-Build-Signature${refused}`, {
    fix: "Send X-Build-Signature: sha256=<HMAC of the body>.",
  });
}

function claim(header: string, value: string, hmac: Hmac): ClaimedSignature {
  const { form, expected } = header === "X-Build-Signature" ? sha256 : sha1;
  const hex = form.exec(value)?.[1];
  if (hex === undefined) throw new BuilderError("signature_wrong", `${header} has another form: expected ${expected}`);
  return {
    update: (chunk) => void hmac.update(chunk),
    check() {
      if (timingSafeEqual(hmac.digest(), Buffer.from(hex, "hex"))) return;
      throw new BuilderError("signature_wrong", `${header} does not fit the body`);
    },
  };
}

const sha256 = { form: /^sha256=([0-9a-f]{64})$/i, expected: "sha256= and 64 hex digits" };
const sha1 = { form: /^sha1=([0-9a-f]{40})$/i, expected: "sha1= and 40 hex digits" };
