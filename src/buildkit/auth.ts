/*
 * The service moby.filesync.v1.Auth, on which the daemon asks how to sign in at a registry.
 *
 * Where a registry wants a bearer token the daemon first calls GetTokenAuthority(host, salt): with the public key that
 * it answers it can tell later whether another session may use the tokens of this one (VerifyTokenAuthority, which
 * signs what it is given with the same key), and then FetchToken(host, realm, service, scopes): the token is got
 * here, and the password never leaves this process. UNAVAILABLE from GetTokenAuthority means that it has to fetch
 * tokens itself; then, and for registries that know nothing but passwords, it calls Credentials(host).
 *
 * The key is ed25519 with HMAC-SHA256(key = salt, message = secret) as its seed. The secret is this build's own: no
 * other build may use what was got with its rights.
 */
import { createHmac, createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto";
import { AuthService } from "./generated/session.ts";
import { status } from "./grpc-status.ts";
import { CallError, type CallHandler, unary } from "./session-calls.ts";

/** Finds what to sign in with at a registry ("HOST" or "HOST:PORT" as in the image's name); undefined: nobody. */
export type FindCredentials = (
  host: string,
  options: { signal: AbortSignal },
) => Promise<{ username: string; password: string } | undefined>;

/** Gets the tokens of registries on this side. */
export interface TokenExchange {
  /** Whether there is anything to sign in with at a host; where not, the daemon comes by tokens for nobody itself. */
  isOffered(host: string): Promise<boolean>;
  /**
   * @param question as the registry has put it to the daemon, and the daemon to us: neither is to be trusted
   * @returns the token; seconds that it holds, and the time from which they count in Unix seconds
   */
  fetch(
    question: { host: string; realm: string; service: string; scopes: readonly string[] },
    options: { signal: AbortSignal },
  ): Promise<{ token: string; expiresInSeconds: number; issuedAtSeconds: number }>;
}

/** Longer than any registry takes, shorter than the daemon waits (60 s). */
const limitMs = 50_000;

/** Answers the daemon's four questions for one build. Without an exchange it gets credentials only. */
export function createAuth(
  find: FindCredentials,
  tokens?: TokenExchange,
): readonly (readonly [path: string, handler: CallHandler])[] {
  const credentials = unary(AuthService.credentials, async ({ host }, { signal }) => {
    const found = await find(host, { signal: limited(signal) });
    return { username: found?.username ?? "", secret: found?.password ?? "" };
  });
  const own = [AuthService.credentials.path, credentials] as const;
  return tokens === undefined ? [own] : [own, ...createTokenCalls(tokens)];
}

function createTokenCalls(tokens: TokenExchange): (readonly [string, CallHandler])[] {
  const secret = randomBytes(32);
  const keyFor = async (host: string, salt: Buffer) => {
    if (await tokens.isOffered(host)) return authorityKey(secret, salt);
    throw new CallError(status.UNAVAILABLE, `nothing is known to sign in with at ${host}`);
  };
  const authority = unary(AuthService.getTokenAuthority, async ({ host, salt }) => ({
    publicKey: publicBytes(await keyFor(host, salt)),
  }));
  const verify = unary(AuthService.verifyTokenAuthority, async ({ host, payload, salt }) => ({
    signed: Buffer.concat([sign(null, payload, await keyFor(host, salt)), payload]),
  }));
  const fetch = unary(AuthService.fetchToken, async ({ host, realm, service, scopes }, { signal }) => {
    const got = await tokens.fetch({ host, realm, service, scopes }, { signal: limited(signal) });
    return { token: got.token, expiresIn: BigInt(got.expiresInSeconds), issuedAt: BigInt(got.issuedAtSeconds) };
  });
  return [
    [AuthService.getTokenAuthority.path, authority],
    [AuthService.verifyTokenAuthority.path, verify],
    [AuthService.fetchToken.path, fetch],
  ];
}

function limited(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
}

/** What stands before the 32 bytes of a private key of ed25519 in PKCS #8 (RFC 8410). */
const pkcs8Head = Buffer.from("302e020100300506032b657004220420", "hex");
const keyBytes = 32;

function authorityKey(secret: Buffer, salt: Buffer): KeyObject {
  const seed = createHmac("sha256", salt).update(secret).digest();
  return createPrivateKey({ key: Buffer.concat([pkcs8Head, seed]), format: "der", type: "pkcs8" });
}

function publicBytes(key: KeyObject): Buffer {
  return createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-keyBytes);
}
