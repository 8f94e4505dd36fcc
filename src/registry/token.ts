import { BuilderError, messageOf } from "../errors.ts";
import { readBody } from "./body.ts";
import type { Challenge } from "./challenge.ts";
import type { Credentials } from "./credentials.ts";

type BearerChallenge = Extract<Challenge, { scheme: "bearer" }>;

/** What opens the doors of a registry for a while. */
export interface RegistryToken {
  readonly token: string;
  readonly expiresInSeconds: number;
  /** Unix seconds. */
  readonly issuedAtSeconds: number;
}

interface Signer {
  /** Host and port of the registry. */
  readonly host: string;
  readonly credentials: Credentials | undefined;
  readonly signal: AbortSignal;
}

const maxAnswerBytes = 1024 * 1024;
const clientId = "of-builder";
/** What holds for a token that does not say for how long. */
const defaultLifeSeconds = 60;

/**
 * Gets the bearer token that a registry asked for.
 * @throws BuilderError `registry_denied` or `registry_unreachable`
 */
export async function fetchToken({ realm, service, scope }: BearerChallenge, signer: Signer): Promise<string> {
  return (await requestToken({ realm, service, scopes: scope ? [scope] : [] }, signer)).token;
}

/**
 * Gets a bearer token.
 *
 * Protocol (distribution, "token authentication"): GET REALM?service=…&scope=…&scope=… with Basic credentials or none
 * answers `{"token": …}` or `{"access_token": …}`, with `expires_in` and `issued_at`. An identity token is exchanged by
 * POST of `grant_type=refresh_token`.
 *
 * The realm is the registry's word, and credentials go there: so it has to be https, or the registry's own host.
 * @throws BuilderError `registry_denied` or `registry_unreachable`
 */
export async function requestToken(
  { realm, service, scopes }: { realm: string; service: string; scopes: readonly string[] },
  { host, credentials, signal }: Signer,
): Promise<RegistryToken> {
  const url = checkRealm(realm, host);
  const parameters = new URLSearchParams({ ...(service && { service }) });
  const answer = await ask(url, { parameters, scopes, credentials, signal });
  const { token, access_token: accessToken, expires_in: life, issued_at: from } = await readAnswer(answer, host);
  const found = token || accessToken;
  if (typeof found !== "string" || found === "") {
    throw new BuilderError("registry_denied", `the token service of ${host} (${url.host}) answered without a token`);
  }
  const expiresInSeconds = typeof life === "number" && life > 0 ? Math.trunc(life) : defaultLifeSeconds;
  const issuedAtMs = typeof from === "string" ? Date.parse(from) : Number.NaN;
  const issuedAtSeconds = Math.trunc((Number.isNaN(issuedAtMs) ? Date.now() : issuedAtMs) / 1000);
  return { token: found, expiresInSeconds, issuedAtSeconds };
}

function checkRealm(realm: string, host: string): URL {
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (url?.protocol === "https:" || (url?.protocol === "http:" && url.host === host.toLowerCase())) return url;
  const message = `registry ${host} sends its clients to "${realm.slice(0, 200)}" for a token: expected an https address`;
  throw new BuilderError("registry_denied", message);
}

interface Question {
  readonly parameters: URLSearchParams;
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  readonly signal: AbortSignal;
}

async function ask(url: URL, { parameters, scopes, credentials, signal }: Question): Promise<Response> {
  if (credentials?.username === "") {
    if (scopes.length > 0) parameters.append("scope", scopes.join(" "));
    parameters.append("grant_type", "refresh_token");
    parameters.append("client_id", clientId);
    parameters.append("refresh_token", credentials.password);
    return request(url, { method: "POST", body: parameters, redirect: "error", signal });
  }
  for (const scope of scopes) parameters.append("scope", scope);
  for (const [name, value] of parameters) url.searchParams.append(name, value);
  return request(url, { headers: credentials ? { authorization: basic(credentials) } : {}, redirect: "error", signal });
}

/** The value of a header Authorization for HTTP Basic. */
export function basic({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

async function request(url: URL, options: RequestInit): Promise<Response> {
  try {
    return await fetch(url, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    const message = `token service ${url.host} does not answer: ${messageOf(error)}`;
    throw new BuilderError("registry_unreachable", message, { cause: error });
  }
}

async function readAnswer(answer: Response, host: string): Promise<Record<string, unknown>> {
  if (!answer.ok) {
    await answer.body?.cancel();
    const code = answer.status >= 500 || answer.status === 429 ? "registry_unreachable" : "registry_denied";
    throw new BuilderError(code, `the token service of ${host} answered ${answer.status}`);
  }
  try {
    return JSON.parse((await readBody(answer, maxAnswerBytes)).toString("utf8")) ?? {};
  } catch (error) {
    const message = `the token service of ${host} answered something other than a small JSON object`;
    throw new BuilderError("registry_unreachable", message, { cause: error });
  }
}
