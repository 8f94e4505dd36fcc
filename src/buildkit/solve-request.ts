import type { Context } from "../model/context.ts";
import type { FindCredentials, TokenExchange } from "./auth.ts";
import type { BuildLimits } from "./build-limits.ts";
import type { BuildPolicy } from "./build-policy.ts";
import type { CacheEntry, Caches } from "./cache-options.ts";
import type { FindAccount } from "./engine-image.ts";
import { type ClientOutput, createExporters, type ImageOutput } from "./exporters.ts";
import { SolveRequest } from "./generated/control.ts";

/** One Dockerfile build. */
export interface BuildRequest {
  /** What COPY sees; the Dockerfile lies in it, too. */
  readonly context: Context;
  /** Further contexts by the name that FROM and --from use: trees of ours, or docker-image://, git and http addresses. */
  readonly namedContexts?: Readonly<Record<string, Context | string>>;
  /** Path of the Dockerfile in the context; "Dockerfile" where absent. */
  readonly dockerfile?: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** Stage to build; the last one where absent. */
  readonly target?: string;
  /** Such as "linux/arm64"; the daemon's own where absent. */
  readonly platforms?: readonly string[];
  readonly noCache?: boolean;
  /** What RUN --mount=type=secret sees, by id; no other is ever answered. Kept in memory only. */
  readonly secrets?: Readonly<Record<string, Uint8Array>>;
  /** Sockets of SSH agents by the id that RUN --mount=type=ssh names, "default" where it names none. */
  readonly sshAgents?: Readonly<Record<string, string>>;
  /** Limits of RUN's processes, "SOFT[:HARD]" by name such as "nofile". */
  readonly ulimits?: Readonly<Record<string, string>>;
  /** Bytes of RUN's /dev/shm. */
  readonly shmBytes?: number;
  /** Addresses by host name, for RUN's /etc/hosts. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** RUN's network; the daemon's choice where absent. */
  readonly network?: "none" | "host";
  /** Whose folders RUN --mount=type=cache sees, in place of those that nobody owns. Without "/", so that no id leads out. */
  readonly cacheNamespace?: string;
  /** Unix seconds that the image gets for its time of creation; with `rewriteTimestamp` its files get none later. */
  readonly sourceDateEpoch?: number;
  /** Stable name of the context's owner: builds with the same one upload only what changed. */
  readonly sharedKey?: string;
  /** The image to make; where there is neither this nor an export the build is only tried. */
  readonly image?: ImageOutput;
  /** What comes back to us. */
  readonly exports?: readonly ClientOutput[];
  readonly cacheFrom?: readonly CacheEntry[];
  readonly cacheTo?: readonly CacheEntry[];
  /** Attestations; with one of them the image becomes an index. `sbom` true = with BuildKit's own scanner. */
  readonly provenance?: "min" | "max";
  readonly sbom?: true | { readonly generator: string };
  /** Asked for the hosts of the image's names and of base images, as the daemon meets them. */
  readonly credentials?: FindCredentials;
  /** Gets tokens on this side, so that no password goes to the daemon; where absent it gets them with `credentials`. */
  readonly tokens?: TokenExchange;
  /** The account for a registry that a Docker engine pushes to by itself. */
  readonly engineAccount?: FindAccount;
  /** Nothing special is allowed where absent. */
  readonly policy?: BuildPolicy;
  /** None where absent. */
  readonly limits?: BuildLimits;
}

/** Names that a Dockerfile build gives its two folders; both are the one context here. */
export const contextName = "context";
export const dockerfileName = "dockerfile";

const hostNetwork = "network.host";

/**
 * Says a build in BuildKit's words. The one entitlement that is ever asked for is the host's network, where the
 * policy has let it pass.
 */
export function createSolveRequest(
  request: BuildRequest,
  { ref, session, caches }: { ref: string; session: string; caches?: Pick<Caches, "imports" | "exports"> },
): SolveRequest {
  const exporters = createExporters(request);
  const { imports = [], exports = [] } = caches ?? {};
  const attrs = frontendAttrs(request);
  // Frontends read the imports here, the daemon below.
  if (imports.length > 0)
    attrs["cache-imports"] = JSON.stringify(imports.map(({ type, attrs }) => ({ Type: type, Attrs: attrs })));
  return SolveRequest.fromPartial({
    ref,
    session,
    frontend: "dockerfile.v0",
    frontendAttrs: attrs,
    // Daemons of old Docker engines know only the single exporter, newer ones ignore it.
    exporterDeprecated: exporters[0]?.type ?? "",
    exporterAttrsDeprecated: exporters[0]?.attrs ?? {},
    exporters,
    entitlements: request.network === "host" ? [hostNetwork] : [],
    cache: { imports: [...imports], exports: [...exports] },
  });
}

/** The name that a named context of ours has on the session. */
export function localNameOf(name: string): string {
  return `named:${name}`;
}

function frontendAttrs(request: BuildRequest): Record<string, string> {
  const { dockerfile = "Dockerfile", target, platforms = [], noCache, policy } = request;
  const attrs: Record<string, string> = { filename: dockerfile, ...namedAttrs(request), ...runAttrs(request) };
  if (target !== undefined) attrs.target = target;
  if (platforms.length > 0) attrs.platform = platforms.join(",");
  if (noCache === true) attrs["no-cache"] = "";
  // A frontend that was told a command line does not look for another one in the Dockerfile.
  if (policy?.frontends !== true) attrs.cmdline = "";
  return { ...attrs, ...attestations(request) };
}

function namedAttrs(request: BuildRequest): Record<string, string> {
  const { sourceDateEpoch, cacheNamespace, buildArgs = {}, labels = {}, namedContexts = {} } = request;
  const attrs: Record<string, string> = {};
  if (sourceDateEpoch !== undefined) attrs["build-arg:SOURCE_DATE_EPOCH"] = String(Math.trunc(sourceDateEpoch));
  for (const [name, value] of Object.entries(buildArgs)) attrs[`build-arg:${name}`] = value;
  if (cacheNamespace !== undefined) attrs["build-arg:BUILDKIT_CACHE_MOUNT_NS"] = cacheNamespace;
  for (const [name, value] of Object.entries(labels)) attrs[`label:${name}`] = value;
  for (const [name, context] of Object.entries(namedContexts))
    attrs[`context:${name}`] = typeof context === "string" ? context : `local:${localNameOf(name)}`;
  return attrs;
}

/** What concerns the processes of RUN. */
function runAttrs({ ulimits, shmBytes, hosts, network }: BuildRequest): Record<string, string> {
  const attrs: Record<string, string> = {};
  if (ulimits !== undefined) attrs.ulimit = csv(ulimits);
  if (shmBytes !== undefined) attrs["shm-size"] = String(shmBytes);
  if (hosts !== undefined) attrs["add-hosts"] = csv(hosts);
  if (network !== undefined) attrs["force-network-mode"] = network;
  return attrs;
}

/** An attestation is asked for by its key alone: the value "false" would switch it on as any other does. */
function attestations({ provenance, sbom }: BuildRequest): Record<string, string> {
  const attrs: Record<string, string> = {};
  if (provenance !== undefined) attrs["attest:provenance"] = `mode=${provenance}`;
  if (sbom !== undefined) attrs["attest:sbom"] = sbom === true ? "" : `generator=${sbom.generator}`;
  return attrs;
}

function csv(fields: Readonly<Record<string, string>>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .map((field) => (/[",\n]/u.test(field) ? `"${field.replaceAll('"', '""')}"` : field))
    .join(",");
}
