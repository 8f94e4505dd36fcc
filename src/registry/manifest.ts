import { createHash } from "node:crypto";
import { readBody } from "./body.ts";
import type { HttpAnswer } from "./http-request.ts";
import { parseReference, type Reference } from "./reference.ts";
import { type AskRegistry, type RegistryAccess, refusalOf, withRegistry } from "./registry-request.ts";

const digestPattern = /^sha256:[0-9a-f]{64}$/;
/** The distribution specification asks registries to take 4 MiB. */
const maxManifestBytes = 8 * 1024 * 1024;

/**
 * The digest that a registry has under an image's name.
 *
 * HEAD answers `Docker-Content-Digest`; a registry that leaves it out, or knows no HEAD, is asked by GET and the digest
 * is that of the bytes.
 * @returns `sha256:…`; undefined when the registry has no such image
 * @throws BuilderError `registry_unreachable` (also when it is overloaded), `registry_denied`, `name_invalid`
 */
export async function readDigest(image: string, access: RegistryAccess): Promise<string | undefined> {
  const reference = parseReference(image);
  return withRegistry(reference, access, async (ask) => {
    const head = await ask({ method: "HEAD" });
    const digest = head.header("docker-content-digest");
    head.discard();
    if (isMissing(head)) return undefined;
    if (head.ok && digestPattern.test(digest)) return digest;
    return (await readManifest(ask, reference))?.digest;
  });
}

/**
 * The digest of what a registry gives out under an image's name: of the bytes themselves, whatever it says of them.
 * @returns `sha256:…`; undefined when the registry has no such image
 * @throws BuilderError `registry_unreachable`, `registry_denied`, `name_invalid`
 */
export async function readStoredDigest(image: string, access: RegistryAccess): Promise<string | undefined> {
  const reference = parseReference(image);
  return withRegistry(reference, access, async (ask) => (await readManifest(ask, reference))?.digest);
}

/**
 * The bytes of an image's configuration and layers, packed as a registry has them. Of an image for several platforms it
 * is the first one's.
 * @returns undefined where the registry has no such image, or its manifest tells no sizes
 * @throws BuilderError `registry_unreachable`, `registry_denied`, `name_invalid`
 */
export async function readSize(image: string, access: RegistryAccess): Promise<number | undefined> {
  const described = await readDescription(image, access);
  const [first] = described?.manifests ?? [];
  if (!first) return sizeOf(described);
  const { repository, host } = parseReference(image);
  return sizeOf(await readDescription(`${host}/${repository}@${first.digest}`, access));
}

/**
 * Gives an image of a registry a further tag, by copying nothing but its manifest.
 * @param from the image's name and digest, `NAME@sha256:…`
 * @param to the name to be, with its tag; in the same repository
 * @returns false when the registry does not have the image any more
 * @throws BuilderError `registry_unreachable`, `registry_denied`, `name_invalid`
 */
export async function copyManifest(from: string, to: string, access: RegistryAccess): Promise<boolean> {
  const [source, target] = [parseReference(from), parseReference(to)];
  if (source.host !== target.host || source.repository !== target.repository) {
    throw new Error(`${from} and ${to} do not lie in one repository`);
  }
  const manifest = await withRegistry(source, access, (ask) => readManifest(ask, source));
  if (manifest?.digest !== source.reference) return false;
  await withRegistry(target, access, async (ask) => {
    const answer = await ask({ method: "PUT", body: manifest });
    answer.discard();
    if (!answer.ok) throw refusalOf(answer, target);
  });
  return true;
}

/**
 * Takes an image out of a registry again; its blobs are the registry's to clean up.
 * @param image the image's name and digest, `NAME@sha256:…`
 * @returns false where the registry does not allow it, or no longer has the image
 * @throws BuilderError `registry_unreachable`, `name_invalid`
 */
export async function deleteManifest(image: string, access: RegistryAccess): Promise<boolean> {
  return withRegistry(parseReference(image), access, async (ask) => {
    const answer = await ask({ method: "DELETE" });
    answer.discard();
    return answer.ok;
  });
}

interface Manifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly digest: string;
}

/** The part of manifests and indexes that sizes are read of; a stranger's registry may say anything. */
interface Description {
  readonly manifests?: readonly { readonly digest: string }[];
  readonly config?: { readonly size: number };
  readonly layers?: readonly { readonly size: number }[];
}

async function readDescription(image: string, access: RegistryAccess): Promise<Description | undefined> {
  const reference = parseReference(image);
  const manifest = await withRegistry(reference, access, (ask) => readManifest(ask, reference));
  return manifest && (JSON.parse(manifest.bytes.toString()) as Description);
}

function sizeOf({ config, layers }: Description = {}): number | undefined {
  const bytes = [config, ...(layers ?? [])].reduce((sum, part) => sum + (part?.size ?? Number.NaN), 0);
  return layers && Number.isSafeInteger(bytes) ? bytes : undefined;
}

async function readManifest(ask: AskRegistry, reference: Reference): Promise<Manifest | undefined> {
  const answer = await ask({ method: "GET" });
  if (!answer.ok) {
    answer.discard();
    if (isMissing(answer)) return undefined;
    throw refusalOf(answer, reference);
  }
  const bytes = await readBody(answer, maxManifestBytes);
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return { bytes, mediaType: answer.header("content-type"), digest };
}

function isMissing({ status }: HttpAnswer): boolean {
  return status === 404;
}
