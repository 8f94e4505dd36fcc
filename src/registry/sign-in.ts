import { BuilderError, messageOf } from "../errors.ts";
import { type Challenge, parseChallenge } from "./challenge.ts";
import type { Credentials, LookUpCredentials } from "./credentials.ts";
import type { Permit } from "./permit.ts";
import { type RegistryToken, requestToken } from "./token.ts";

/** Signs one build in at registries, for no more than its permit says. */
export interface SignIn {
  /** Whether there are credentials to sign in with at a host. */
  isOffered(host: string): Promise<boolean>;
  /** The bare credentials, for a registry that knows nothing but passwords (Basic). */
  credentials(host: string, options: { signal: AbortSignal }): Promise<Credentials | undefined>;
  /** The account whole, for a Docker engine, which pushes by itself. */
  account(host: string): Promise<Credentials | undefined>;
  /** A token for as much of the scopes as the permit leaves. */
  token(question: TokenQuestion, options: { signal: AbortSignal }): Promise<RegistryToken>;
}

interface TokenQuestion {
  readonly host: string;
  readonly realm: string;
  readonly service: string;
  readonly scopes: readonly string[];
}

interface SignInHands {
  readonly lookUp: LookUpCredentials;
  readonly permit: Permit;
  /** Whether a registry is spoken to over plain HTTP. */
  isPlain(host: string, options: { signal: AbortSignal }): Promise<boolean>;
}

/**
 * Creates the way in. Who asks here is BuildKit, on behalf of a Dockerfile that may be anybody's: so nothing is believed
 * that could lead credentials astray. Which way a registry wants people to sign in, and the address of its token
 * service, are asked of the registry itself.
 */
export function createSignIn({ lookUp, permit, isPlain }: SignInHands): SignIn {
  const challengeOf = async (host: string, signal: AbortSignal) =>
    askChallenge(host, { insecure: await isPlain(host, { signal }), signal });
  const account = async (host: string) => (permit.hasPassword(host) ? lookUp(host) : undefined);
  return {
    isOffered: async (host) => permit.touches(host) && (await lookUp(host)) !== undefined,
    account,
    async credentials(host, { signal }) {
      const found = await account(host);
      if (found === undefined) return undefined;
      // Asked for a password where tokens are given: it would leave this process without need.
      return (await challengeOf(host, signal))?.scheme === "basic" ? found : undefined;
    },
    async token({ host, realm, service, scopes }, { signal }) {
      const credentials = await lookUp(host);
      if (credentials === undefined) throw new BuilderError("registry_denied", `there is no account for ${host}`);
      const isTold = await isRealmOf(realm, await challengeOf(host, signal));
      if (!isTold) {
        const message = `a token of ${host} was to be got at "${realm.slice(0, 200)}", which that registry does not name`;
        throw new BuilderError("registry_denied", message);
      }
      const left = permit.narrow(host, scopes);
      // Nothing left: a token for nobody, which opens what is open to all.
      const rights = left.length === 0 ? { scopes, credentials: undefined } : { scopes: left, credentials };
      return requestToken({ realm, service, scopes: rights.scopes }, { host, credentials: rights.credentials, signal });
    },
  };
}

/** Parameters of the address may differ from question to question, the place may not. */
async function isRealmOf(realm: string, challenge: Challenge | undefined): Promise<boolean> {
  if (challenge?.scheme !== "bearer" || !URL.canParse(realm) || !URL.canParse(challenge.realm)) return false;
  const [asked, named] = [new URL(realm), new URL(challenge.realm)];
  return asked.origin === named.origin && asked.pathname === named.pathname;
}

/** Protocol (OCI distribution 1.1): GET /v2/ without credentials is answered 401 with WWW-Authenticate. */
async function askChallenge(
  host: string,
  { insecure, signal }: { insecure: boolean; signal: AbortSignal },
): Promise<Challenge | undefined> {
  try {
    const answer = await fetch(`${insecure ? "http" : "https"}://${host}/v2/`, { redirect: "error", signal });
    await answer.body?.cancel();
    return parseChallenge(answer.headers.get("www-authenticate") ?? "");
  } catch (cause) {
    signal.throwIfAborted();
    const message = `registry ${host} cannot be asked how to sign in: ${messageOf(cause)}`;
    throw new BuilderError("registry_unreachable", message, { cause });
  }
}
