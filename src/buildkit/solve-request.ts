import type { Context } from "../model/context.ts";
import type { FindCredentials } from "./auth.ts";
import { type Exporter, SolveRequest } from "./generated/control.ts";

/** One Dockerfile build. */
export interface BuildRequest {
  /** What COPY sees; the Dockerfile lies in it, too. */
  readonly context: Context;
  /** Path of the Dockerfile in the context; "Dockerfile" where absent. */
  readonly dockerfile?: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** Stage to build; the last one where absent. */
  readonly target?: string;
  /** Such as "linux/arm64"; the daemon's own where absent. */
  readonly platforms?: readonly string[];
  readonly noCache?: boolean;
  /** Stable name of the context's owner: builds with the same one upload only what changed. */
  readonly sharedKey?: string;
  /** The image to make; where absent the build is only tried. */
  readonly image?: {
    /** Full names, "HOST/REPOSITORY:TAG". */
    readonly names: readonly string[];
    readonly push: boolean;
    /** The registry speaks plain HTTP. */
    readonly insecure: boolean;
  };
  /** Asked for the hosts of the image's names and of base images, as the daemon meets them. */
  readonly credentials?: FindCredentials;
}

/** Names that a Dockerfile build gives its two folders; both are the one context here. */
export const contextName = "context";
export const dockerfileName = "dockerfile";

/** Says a build in BuildKit's words. No entitlement is ever asked for. */
export function createSolveRequest(request: BuildRequest, ids: { ref: string; session: string }): SolveRequest {
  const exporters = request.image === undefined ? [] : [imageExporter(request.image)];
  return SolveRequest.fromPartial({
    ref: ids.ref,
    session: ids.session,
    frontend: "dockerfile.v0",
    frontendAttrs: frontendAttrs(request),
    // Daemons of old Docker engines know only the single exporter, newer ones ignore it.
    exporterDeprecated: exporters[0]?.type ?? "",
    exporterAttrsDeprecated: exporters[0]?.attrs ?? {},
    exporters,
    cache: {},
  });
}

function frontendAttrs(request: BuildRequest): Record<string, string> {
  const attrs: Record<string, string> = { filename: request.dockerfile ?? "Dockerfile" };
  for (const [name, value] of Object.entries(request.buildArgs ?? {})) attrs[`build-arg:${name}`] = value;
  for (const [name, value] of Object.entries(request.labels ?? {})) attrs[`label:${name}`] = value;
  if (request.target !== undefined) attrs.target = request.target;
  if (request.platforms !== undefined && request.platforms.length > 0) attrs.platform = request.platforms.join(",");
  if (request.noCache === true) attrs["no-cache"] = "";
  return attrs;
}

function imageExporter(image: NonNullable<BuildRequest["image"]>): Exporter {
  const attrs: Record<string, string> = { name: image.names.join(",") };
  if (image.push) attrs.push = "true";
  if (image.insecure) attrs["registry.insecure"] = "true";
  return { type: "image", attrs };
}
