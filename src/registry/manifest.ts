import { createHash } from "node:crypto";
import { BuilderError, messageOf } from "../errors.ts";
import { readBody } from "./body.ts";
import { parseChallenge } from "./challenge.ts";
import type { LookUpCredentials } from "./credentials.ts";
import { parseReference, type Reference } from "./reference.ts";
import { basic, fetchToken } from "./token.ts";

export interface RegistryAccess {
  /** Plain HTTP. */
  readonly insecure: boolean;
  readonly credentials: LookUpCredentials;
  readonly signal: AbortSignal;
}

const accepted = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");
const digestPattern = /^sha256:[0-9a-f]{64}$/;
/** The distribution specification asks registries to take 4 MiB. */
const maxManifestBytes = 8 * 1024 * 1024;
const limitMs = 30_000;

/**
 * The digest that a registry has under an image's name.
 *
 * Protocol (OCI distribution 1.1): HEAD /v2/NAME/manifests/REFERENCE answers `Docker-Content-Digest`; a registry that
 * leaves it out, or knows no HEAD, is asked by GET and the digest is that of the bytes. A 401 names by
 * WWW-Authenticate what to come back with.
 * @returns `sha256:…`; undefined when the registry has no such image
 * @throws BuilderError `registry_unreachable` (also when it is overloaded), `registry_denied`, `name_invalid`
 */
export async function readDigest(image: string, access: RegistryAccess): Promise<string | undefined> {
  const signal = AbortSignal.any([access.signal, AbortSignal.timeout(limitMs)]);
  const reference = parseReference(image);
  const registry: Registry = { reference, access: { ...access, signal }, authorization: undefined };
  try {
    const head = await send(registry, "HEAD");
    const digest = head.headers.get("docker-content-digest") ?? "";
    if (isMissing(head)) return undefined;
    if (head.ok && digestPattern.test(digest)) return digest;
    return await digestOfBody(await send(registry, "GET"), reference);
  } catch (error) {
    access.signal.throwIfAborted();
    if (error instanceof BuilderError) throw error;
    const message = `registry ${reference.host} does not answer: ${reasonOf(error)}`;
    throw new BuilderError("registry_unreachable", message, { cause: error });
  }
}

interface Registry {
  readonly reference: Reference;
  readonly access: RegistryAccess;
  authorization: string | undefined;
}

async function send(registry: Registry, method: "HEAD" | "GET"): Promise<Response> {
  const answer = await sendOnce(registry, method);
  if (answer.status !== 401 || registry.authorization !== undefined) return answer;
  await answer.body?.cancel();
  registry.authorization = await authorize(registry, answer.headers.get("www-authenticate") ?? "");
  return sendOnce(registry, method);
}

async function sendOnce({ reference, access, authorization }: Registry, method: string): Promise<Response> {
  const { host, repository, reference: name } = reference;
  const url = `${access.insecure ? "http" : "https"}://${host}/v2/${repository}/manifests/${name}`;
  const headers = { accept: accepted, ...(authorization !== undefined && { authorization }) };
  return fetch(url, { method, headers, signal: access.signal });
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

async function digestOfBody(answer: Response, reference: Reference): Promise<string | undefined> {
  if (!answer.ok) {
    await answer.body?.cancel();
    if (isMissing(answer)) return undefined;
    throw refusal(answer.status, reference);
  }
  const bytes = await readBody(answer, maxManifestBytes);
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function isMissing({ status }: Response): boolean {
  return status === 404;
}

function refusal(status: number, { host, repository }: Reference): BuilderError {
  const isDenied = status === 401 || status === 403;
  const message = `registry ${host} answered ${status} when it was asked for ${repository}`;
  return new BuilderError(isDenied ? "registry_denied" : "registry_unreachable", message);
}

/** fetch says "fetch failed" and keeps what happened as the cause. */
function reasonOf(error: unknown): string {
  return messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
}
