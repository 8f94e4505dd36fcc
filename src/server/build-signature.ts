import { createHmac, type Hmac, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { BuilderError } from "../errors.ts";

/*
 * A request of the build API is signed with X-Build-Signature: sha256=HEX, the HMAC of the raw body with a secret that
 * both sides have. Clients from 2018 to 2021 send X-Cloud-Signature: sha1=HEX instead, which counts only where the
 * installation allows it. Neither says when it was made. A client that wants its requests to be good only once and
 * only now sends X-Build-Timestamp: UNIX-SECONDS too; the HMAC is then that of "UNIX-SECONDS.BODY".
 */

/** A secret that requests may be signed with. */
export interface PayloadKey {
  /** Whose it is; several secrets may be one client's while they are replaced. */
  readonly id: string;
  readonly secret: string;
}

/** A signature that a request claims, to be held against its body. */
export interface ClaimedSignature {
  /** True where it says when it was made. */
  readonly isStamped: boolean;
  /** Takes the bytes of the body exactly as they arrive. */
  update(chunk: Buffer): void;
  /**
   * @returns the id of the key that it was made with, and the signature in its only spelling
   * @throws BuilderError `signature_wrong`
   */
  check(): { readonly key: string; readonly hex: string };
}

/** How far a client's clock may be off. */
export const maxClockMs = 5 * 60 * 1000;

/**
 * Reads the signature of a request to the build API.
 * @param keys at least one, no empty secret
 * @throws BuilderError `signature_missing`, or `signature_wrong` for one in another form, or from another time
 */
export function readSignature(
  headers: IncomingHttpHeaders,
  { keys, allowSha1, nowMs }: { keys: readonly PayloadKey[]; allowSha1: boolean; nowMs: number },
): ClaimedSignature {
  const stamp = readStamp(headers["x-build-timestamp"], nowMs);
  const newest = headers["x-build-signature"];
  if (newest !== undefined) return claim(String(newest), { form: sha256, keys, stamp });
  const old = headers["x-cloud-signature"];
  if (old !== undefined && allowSha1) return claim(String(old), { form: sha1, keys, stamp });
  const refused = old === undefined ? "" : ": X-Cloud-Signature with SHA-1 is not accepted here";
  throw new BuilderError("signature_missing", `the request has no X-Build-Signature${refused}`, {
    fix: "Send X-Build-Signature: sha256=<HMAC of the body>.",
  });
}

interface Form {
  readonly header: string;
  readonly algorithm: string;
  readonly pattern: RegExp;
  readonly expected: string;
}

const sha256: Form = {
  header: "X-Build-Signature",
  algorithm: "sha256",
  pattern: /^sha256=([0-9a-f]{64})$/i,
  expected: "sha256= and 64 hex digits",
};
const sha1: Form = {
  header: "X-Cloud-Signature",
  algorithm: "sha1",
  pattern: /^sha1=([0-9a-f]{40})$/i,
  expected: "sha1= and 40 hex digits",
};

function readStamp(header: string | string[] | undefined, nowMs: number): string | undefined {
  if (header === undefined) return undefined;
  const stamp = String(header);
  if (!/^[0-9]{1,12}$/.test(stamp)) {
    throw new BuilderError("signature_wrong", "X-Build-Timestamp has another form: expected seconds since 1970");
  }
  if (Math.abs(Number(stamp) * 1000 - nowMs) > maxClockMs) {
    throw new BuilderError("signature_wrong", "X-Build-Timestamp is more than five minutes from now", {
      fix: "Sign each request anew, and set the clocks of both sides.",
    });
  }
  return stamp;
}

function claim(
  value: string,
  { form, keys, stamp }: { form: Form; keys: readonly PayloadKey[]; stamp: string | undefined },
): ClaimedSignature {
  const { header, algorithm, pattern, expected } = form;
  const hex = pattern.exec(value)?.[1];
  if (hex === undefined)
    throw new BuilderError("signature_wrong", `${header} ${otherForm(value, algorithm)}: expected ${expected}`);
  const claimed = Buffer.from(hex, "hex");
  const candidates = keys.map(({ id, secret }) => ({ id, hmac: createHmac(algorithm, secret) }));
  const update = (chunk: Buffer | string) => {
    for (const { hmac } of candidates) hmac.update(chunk);
  };
  if (stamp !== undefined) update(`${stamp}.`);
  return {
    isStamped: stamp !== undefined,
    update,
    check() {
      const key = findSigner(candidates, claimed);
      if (key !== undefined) return { key, hex: claimed.toString("hex") };
      throw new BuilderError("signature_wrong", `${header} does not fit the body`);
    },
  };
}

/** The old servers had a text of its own for what is no longer than the name of a hash. */
const shortest = 5;

function otherForm(value: string, algorithm: string): string {
  if (value.length <= shortest) return "is too short";
  const begin = value.slice(0, algorithm.length + 1);
  return begin.toLowerCase() === `${algorithm}=` ? "has another form" : `begins with ${JSON.stringify(begin)}`;
}

/** Every key is compared, whichever fits: time tells nothing. */
function findSigner(candidates: readonly { id: string; hmac: Hmac }[], claimed: Buffer): string | undefined {
  let found: string | undefined;
  for (const { id, hmac } of candidates) {
    if (timingSafeEqual(hmac.digest(), claimed)) found = id;
  }
  return found;
}
