import { hostOf } from "../model/image-name.ts";
import type { LookUpCredentials } from "../registry/credentials.ts";
import { readDigest } from "../registry/manifest.ts";
import { speaksPlainHttp } from "../registry/plain-http.ts";

/** The registries that images are pushed to. */
export interface PushTarget {
  /** Whether an image's registry is spoken to over plain HTTP; found out once for each. */
  isInsecure(image: string, options: { signal: AbortSignal }): Promise<boolean>;
  /** The digest that an image's registry has under its name. */
  readDigest(image: string, options: { signal: AbortSignal }): Promise<string | undefined>;
}

/**
 * Creates the way to the registries.
 * @param options.setting the setting `insecure`
 */
export function createPushTarget({
  setting,
  credentials,
}: {
  setting: boolean | undefined;
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

  return {
    isInsecure,
    readDigest: async (image, { signal }) =>
      readDigest(image, { insecure: await isInsecure(image, { signal }), credentials, signal }),
  };
}
