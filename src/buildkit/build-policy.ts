import { BuilderError } from "../errors.ts";
import type { Context } from "../model/context.ts";

/** What a build may do beyond its own context and the registries. Nothing of it where a field is absent. */
export interface BuildPolicy {
  /** Named contexts that the daemon fetches from git and http addresses: from wherever it stands in the network. */
  readonly remoteContexts?: boolean;
  /** The host's network for RUN; the daemon has to allow it as well. */
  readonly hostNetwork?: boolean;
  /** Other frontends than the daemon's own: the line `# syntax=` and the build argument BUILDKIT_SYNTAX name images
   * that then run with the right to ask us for everything. Without it the line is passed over. */
  readonly frontends?: boolean;
}

/** What of a build the policy is about. */
interface Asked {
  readonly policy?: BuildPolicy;
  readonly network?: "none" | "host";
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly namedContexts?: Readonly<Record<string, Context | string>>;
}

/** Build arguments that steer BuildKit itself: attestations are asked for by the request, never by an argument. */
const steering = /^BUILDKIT_ATTEST_/u;

/**
 * Refuses what a build is not allowed to ask for.
 * @throws BuilderError `option_forbidden`
 */
export function checkPolicy({ policy = {}, network, buildArgs = {}, namedContexts = {} }: Asked): void {
  if (network === "host" && policy.hostNetwork !== true) {
    throw forbidden("the host's network is not allowed to builds here");
  }
  for (const name of Object.keys(buildArgs)) checkArgument(name, policy);
  for (const [name, context] of Object.entries(namedContexts)) {
    if (typeof context === "string") checkReference(name, context, policy);
  }
}

function checkArgument(name: string, policy: BuildPolicy): void {
  if (name === "BUILDKIT_SYNTAX" && policy.frontends !== true)
    throw forbidden('build argument "BUILDKIT_SYNTAX" names another frontend, which is not allowed here');
  if (steering.test(name)) throw forbidden(`build argument "${name}" steers BuildKit, which is not allowed`);
}

function checkReference(name: string, reference: string, policy: BuildPolicy): void {
  if (reference.startsWith("docker-image://")) return;
  if (!/^(?:https?:\/\/|git:\/\/|git@|ssh:\/\/)/u.test(reference)) {
    throw new BuilderError(
      "usage",
      `context "${name}": "${reference}" is no context: expected docker-image://, a git or an http address`,
    );
  }
  if (policy.remoteContexts !== true) {
    throw forbidden(`context "${name}" at "${reference}" would be fetched by BuildKit, which is not allowed here`);
  }
}

function forbidden(message: string): BuilderError {
  return new BuilderError("option_forbidden", message);
}
