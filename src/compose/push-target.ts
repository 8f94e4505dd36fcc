import { hostOf } from "../model/image-name.ts";
import type { LookUpCredentials } from "../registry/credentials.ts";
import { copyManifest, readDigest, readSize, readStoredDigest } from "../registry/manifest.ts";
import { speaksPlainHttp } from "../registry/plain-http.ts";
import { isDockerHub, parseReference } from "../registry/reference.ts";

/** The registries that images are pushed to, and come from. */
export interface PushTarget {
  /** Whether an image's registry is spoken to over plain HTTP; found out once for each. */
  isInsecure(image: string, options: { signal: AbortSignal }): Promise<boolean>;
  /** The digest that an image's registry has under its name. */
  readDigest(image: string, options: { signal: AbortSignal }): Promise<string | undefined>;
  /** The digest of what the registry gives out under a name. */
  readStoredDigest(image: string, options: { signal: AbortSignal }): Promise<string | undefined>;
  /** Packed bytes of an image in the registry. */
  readSize(image: string, options: { signal: AbortSignal }): Promise<number | undefined>;
  /** Gives an image, `NAME@DIGEST`, a further name in its repository; false where it is not there any more. */
  copyImage(from: string, to: string, options: { signal: AbortSignal }): Promise<boolean>;
  /** The digest of an image that others are made of, within a few seconds or not at all. */
  baseDigest(image: string, options: BaseOptions): Promise<string | undefined>;
}

interface BaseOptions {
  readonly signal: AbortSignal;
  /** A stranger names the image: its registry is asked over TLS, at addresses of the public network. */
  readonly reach?: "public";
}

/** Whether anything changed is to be known quickly: a build finds out the slow way. */
const baseLimitMs = 5000;

/**
 * Creates the way to the registries.
 * @param options.setting the setting `insecure`
 * @param options.mirror the setting `docker_mirror`
 */
export function createPushTarget({
  setting,
  mirror,
  credentials,
}: {
  setting: boolean | undefined;
  mirror: string | undefined;
  credentials: LookUpCredentials;
}): PushTarget {
  const known = new Map<string, Promise<boolean>>();

  const findOut = async (host: string, signal: AbortSignal) => {
    const hasCredentials = (await credentials(host)) !== undefined;
    return speaksPlainHttp(host, { setting, hasCredentials, signal });
  };

  const isInsecure = (image: string, { signal }: { signal: AbortSignal }) => {
    const host = hostOf(image);
    const found = known.get(host) ?? findOut(host, signal);
    known.set(host, found);
    // What does not answer now may answer later, and then in the clear.
    const forget = () => known.get(host) === found && known.delete(host);
    found.then((insecure) => insecure || forget(), forget);
    return found;
  };

  const readBase = async (image: string, { signal, reach }: BaseOptions) => {
    const insecure = reach === undefined && (await isInsecure(image, { signal }));
    return readDigest(image, { insecure, credentials, signal, redirect: "error", ...(reach && { reach }) });
  };

  return {
    isInsecure,
    readDigest: async (image, { signal }) =>
      readDigest(image, { insecure: await isInsecure(image, { signal }), credentials, signal }),
    readStoredDigest: async (image, { signal }) =>
      readStoredDigest(image, { insecure: await isInsecure(image, { signal }), credentials, signal }),
    readSize: async (image, { signal }) =>
      readSize(image, { insecure: await isInsecure(image, { signal }), credentials, signal }),
    copyImage: async (from, to, { signal }) =>
      copyManifest(from, to, { insecure: await isInsecure(to, { signal }), credentials, signal }),
    async baseDigest(image, options) {
      const signal = AbortSignal.any([options.signal, AbortSignal.timeout(baseLimitMs)]);
      const mirrored = mirror === undefined ? undefined : nameInMirror(image, mirror);
      return (mirrored && (await readBase(mirrored, { signal }))) ?? readBase(image, { ...options, signal });
    },
  };
}

function nameInMirror(image: string, mirror: string): string | undefined {
  const { host, repository, reference } = parseReference(image);
  if (!isDockerHub(host)) return undefined;
  return `${mirror}/${repository}${reference.startsWith("sha256:") ? "@" : ":"}${reference}`;
}
