import type { BuildRequest } from "../buildkit/solve-request.ts";
import type { LookUpCredentials } from "../registry/credentials.ts";
import { createPermit } from "../registry/permit.ts";
import { createSignIn } from "../registry/sign-in.ts";
import type { PushTarget } from "./push-target.ts";

/** What a build that pushes these images is given to sign in with. */
export type RegistrySignIn = (
  images: readonly string[],
) => Required<Pick<BuildRequest, "credentials" | "tokens" | "engineAccount">>;

/**
 * Creates the sign-in of builds at registries.
 * @param options.patterns images that every build may pull with our credentials, such as "registry:5000/base/*"
 */
export function createRegistrySignIn({
  credentials,
  target,
  patterns,
}: {
  credentials: LookUpCredentials;
  target: Pick<PushTarget, "isInsecure">;
  patterns: readonly string[];
}): RegistrySignIn {
  const isPlain = (host: string, options: { signal: AbortSignal }) => target.isInsecure(`${host}/any`, options);
  return (images) => {
    const signIn = createSignIn({ lookUp: credentials, permit: createPermit({ images, patterns }), isPlain });
    return {
      credentials: signIn.credentials,
      engineAccount: signIn.account,
      tokens: { isOffered: signIn.isOffered, fetch: signIn.token },
    };
  };
}
