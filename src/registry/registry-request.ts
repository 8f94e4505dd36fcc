import { BuilderError, messageOf } from "../errors.ts";
import { parseChallenge } from "./challenge.ts";
import type { LookUpCredentials } from "./credentials.ts";
import { type HttpAnswer, sendHttp } from "./http-request.ts";
import { lookupPublic } from "./public-lookup.ts";
import type { Reference } from "./reference.ts";
import { basic, fetchToken } from "./token.ts";

export interface RegistryAccess {
  /** Plain HTTP. */
  readonly insecure: boolean;
  readonly credentials: LookUpCredentials;
  readonly signal: AbortSignal;
  /** Where a stranger chose the registry it may not send us on to places that only we can reach. */
  readonly redirect?: "error";
  /** Where a stranger chose the registry: it is asked only at addresses of the public network. */
  readonly reach?: "public";
}

/** A request for the manifest of a reference; a body is put there. */
export interface ManifestRequest {
  readonly method: "HEAD" | "GET" | "PUT" | "DELETE";
  readonly body?: { readonly bytes: Buffer; readonly mediaType: string };
}

/** Sends requests for one image; what the registry wants to see it is shown once for all of them. */
export type AskRegistry = (request: ManifestRequest) => Promise<HttpAnswer>;

/** Kinds of manifests that registries hold. */
const accepted = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");
const limitMs = 30_000;

/**
 * Does work with a registry, for at most 30 s.
 *
 * Protocol (OCI distribution 1.1): /v2/NAME/manifests/REFERENCE; a 401 names by WWW-Authenticate what to come back with.
 * @throws BuilderError `registry_unreachable`, `registry_denied`; the caller's reason when it aborts
 */
export async function withRegistry<T>(
  reference: Reference,
  access: RegistryAccess,
  work: (ask: AskRegistry) => Promise<T>,
): Promise<T> {
  const signal = AbortSignal.any([access.signal, AbortSignal.timeout(limitMs)]);
  const registry: Registry = { reference, access: { ...access, signal }, authorization: undefined };
  try {
    return await work((request) => send(registry, request));
  } catch (error) {
    access.signal.throwIfAborted();
    if (error instanceof BuilderError) throw error;
    const message = `registry ${reference.host} does not answer: ${reasonOf(error)}`;
    throw new BuilderError("registry_unreachable", message, { cause: error });
  }
}

/** What an answer means that is no success. */
export function refusalOf({ status }: HttpAnswer, { host, repository }: Reference): BuilderError {
  const isDenied = status === 401 || status === 403;
  const message = `registry ${host} answered ${status} when it was asked for ${repository}`;
  return new BuilderError(isDenied ? "registry_denied" : "registry_unreachable", message);
}

interface Registry {
  readonly reference: Reference;
  readonly access: RegistryAccess;
  authorization: string | undefined;
}

async function send(registry: Registry, request: ManifestRequest): Promise<HttpAnswer> {
  const answer = await sendOnce(registry, request);
  if (answer.status !== 401 || registry.authorization !== undefined) return answer;
  answer.discard();
  registry.authorization = await authorize(registry, answer.header("www-authenticate"));
  return sendOnce(registry, request);
}

async function sendOnce({ reference, access, authorization }: Registry, request: ManifestRequest): Promise<HttpAnswer> {
  const { host, repository, reference: name } = reference;
  const { method, body } = request;
  const url = new URL(`${access.insecure ? "http" : "https"}://${host}/v2/${repository}/manifests/${name}`);
  const headers = {
    accept: accepted,
    ...(authorization !== undefined && { authorization }),
    ...(body && { "content-type": body.mediaType }),
  };
  const { signal, redirect = "follow", reach } = access;
  const lookup = reach === "public" ? { lookup: lookupPublic } : {};
  return sendHttp(url, { method, headers, signal, redirect, ...lookup, ...(body && { body: body.bytes }) });
}

/** @returns the value of the header Authorization */
async function authorize({ reference: { host }, access }: Registry, header: string): Promise<string> {
  const challenge = parseChallenge(header);
  const credentials = await access.credentials(host);
  if (challenge?.scheme === "bearer") {
    return `Bearer ${await fetchToken(challenge, { host, credentials, signal: access.signal })}`;
  }
  if (challenge && credentials) return basic(credentials);
  const missing = challenge ? `config.json has no credentials for ${host}` : "it asks in a way that is not known here";
  throw new BuilderError("registry_denied", `registry ${host} wants to know who asks, and ${missing}`);
}

/** An abort keeps its reason as the cause, as fetch does with whatever happened. */
function reasonOf(error: unknown): string {
  return messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
}
