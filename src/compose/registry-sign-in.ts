import type { BuildRequest } from "../buildkit/solve-request.ts";
import type { Config } from "../config.ts";
import type { LookUpCredentials } from "../registry/credentials.ts";
import { createPermit, type Permit } from "../registry/permit.ts";
import { createSignIn } from "../registry/sign-in.ts";
import type { PushTarget } from "./push-target.ts";

/** What a build that pushes these images is given to sign in with. */
export type RegistrySignIn = (
  images: readonly string[],
) => Required<Pick<BuildRequest, "credentials" | "tokens" | "engineAccount">>;

/** What the builds of a server may do: with the images that they push everything, with the listed ones pulling. */
export function permitOf({ pullCredentials: patterns }: Config): (images: readonly string[]) => Permit {
  return (images) => createPermit({ images, patterns });
}

/**
 * Creates the sign-in of builds at registries.
 * @param options.permitFor what a build may do that pushes some images
 */
export function createRegistrySignIn({
  credentials,
  target,
  permitFor,
}: {
  credentials: LookUpCredentials;
  target: Pick<PushTarget, "isInsecure">;
  permitFor(images: readonly string[]): Permit;
}): RegistrySignIn {
  const isPlain = (host: string, options: { signal: AbortSignal }) => target.isInsecure(`${host}/any`, options);
  return (images) => {
    const signIn = createSignIn({ lookUp: credentials, permit: permitFor(images), isPlain });
    return {
      credentials: signIn.credentials,
      engineAccount: signIn.account,
      tokens: { isOffered: signIn.isOffered, fetch: signIn.token },
    };
  };
}
