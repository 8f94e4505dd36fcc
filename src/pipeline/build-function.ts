import { createHash } from "node:crypto";
import { posix } from "node:path";
import { BuilderError, type Location } from "../errors.ts";
import type { BuildEvent } from "../model/build-event.ts";
import { type Context, readText } from "../model/context.ts";
import { excerptOf } from "../model/faults.ts";
import { templateSource } from "./find-template.ts";
import type { PlanHands, PlannedFunction } from "./plan.ts";
import type { Tree } from "./tree.ts";

const maxFileBytes = 1024 * 1024;

/** What building one function takes of the world. */
export interface BuildHands {
  /** Assembles the function's context from folders of this disk, as faas-cli's shrinkwrap would, without copying. */
  assemble(parts: {
    checkout: string;
    template?: string;
    handler: string;
    handlerFolder: string;
    copy: readonly string[];
    places?: PartLocations;
  }): Context | Promise<Context>;
  /** Builds, and pushes where the installation wants it. */
  build(
    request: ImageRequest,
    options: { signal: AbortSignal; onEvent(event: BuildEvent): void },
  ): Promise<{ digest: string | undefined }>;
  /** The digest of what the registry gives out under a name. */
  readDigest?(image: string, options: { signal: AbortSignal }): Promise<string | undefined>;
}

export interface ImageRequest {
  readonly context: Context;
  readonly image: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly platforms: readonly string[];
  /** Stable name of the context, so that the next upload sends only what changed. */
  readonly sharedKey?: string;
  /** The function's name. */
  readonly name?: string;
  /** Whose build it is, where owners take turns. */
  readonly owner?: string;
  /** Whose folders RUN --mount=type=cache sees. */
  readonly cacheNamespace?: string;
  /** Files of secrets by id, as the stack names them. Only whoever owns this machine may have them read. */
  readonly secretFiles?: Readonly<Record<string, string>>;
  /** Unix seconds of the commit that is built. */
  readonly committedAt?: number;
  /** What RUN --mount=type=secret sees, by id; in memory only. */
  readonly secrets?: Readonly<Record<string, Uint8Array>>;
  /** Where the installation would push: whether this image is. */
  readonly push?: boolean;
}

interface PartLocations {
  readonly handler: Location;
  readonly copy: readonly Location[];
  readonly handlerFolder?: Location;
}

interface Trees {
  /** The tree that the stack lies in. */
  readonly tree: Tree;
  /** The tree that holds `template/LANG`; the stack's own where absent. */
  readonly templates?: Tree;
}

/**
 * Builds one function's image, of the context given or else of one that is assembled.
 * @returns the image's digest, read back from the registry where it was pushed; "" where files were made and no image
 * @throws BuilderError with the place in the repository's own files, where it has one
 */
export async function buildFunction(
  planned: PlannedFunction,
  { tree, templates, hands, ...known }: Trees & { hands: BuildHands & AssembleHands; context?: Context },
  { signal, onEvent }: { signal: AbortSignal; onEvent(event: BuildEvent): void },
): Promise<{ digest: string }> {
  const context = known.context ?? (await assemble(planned, { tree, ...(templates && { templates }) }, hands));
  const { name, image, buildArgs, platforms, buildSecrets: secretFiles } = planned;
  const { committedAt, identity } = tree;
  const time = committedAt === undefined ? {} : { committedAt };
  const kept = identity === undefined ? {} : { sharedKey: sharedKeyOf(identity, planned) };
  const request = { context, name, image, buildArgs, platforms, secretFiles, ...time, ...kept };
  const built = await hands.build(request, { signal, onEvent }).catch((error: unknown) => {
    throw placed(error, planned);
  });
  return { digest: await confirmDigest(image, built.digest, { hands, signal }) };
}

/**
 * BuildKit takes a file as known by its path, size and time. Files of one checkout are often of one time, so what is
 * assembled from other folders of it has another key.
 */
function sharedKeyOf(identity: string, { name, handler, handlerFolder, copy, template }: PlannedFunction): string {
  const sources = [name, handler, handlerFolder, copy, template?.lang, templateSource(template)];
  return `${identity}:${createHash("sha256").update(JSON.stringify(sources)).digest("hex").slice(0, 32)}`;
}

/** What assembling takes of the world; of a stack file that does not lie in the tree its text. */
export type AssembleHands = Pick<BuildHands, "assemble"> & Pick<PlanHands, "stackFile">;

/**
 * Assembles what a planned function is built from.
 * @throws BuilderError `path_forbidden` or `context_invalid`, with the line that names the part at fault
 */
export async function assemble(
  planned: PlannedFunction,
  { tree, templates = tree }: Trees,
  hands: AssembleHands,
): Promise<Context> {
  const { handler, handlerFolder, copy, template } = planned;
  const places = locationsOf(planned);
  const parts = { checkout: tree.folder, handler, handlerFolder, copy, ...(places && { places }) };
  try {
    return await hands.assemble(
      template ? { ...parts, template: `${templates.folder}/template/${template.lang}` } : parts,
    );
  } catch (error) {
    if (!(error instanceof BuilderError) || !error.location) throw error;
    const { message, location } = error;
    const text = await readNaming(location.path, planned, { tree, templates, hands });
    throw text === ""
      ? error
      : error.with({ faults: [{ message, location, excerpt: excerptOf(text, location) }], faultCount: 1 });
  }
}

function locationsOf(planned: PlannedFunction): PartLocations | undefined {
  const { places } = planned;
  if (!places) return undefined;
  const { file, handler, copy, handlerFolder } = places;
  const at = (path: string, [line, column]: readonly [number, number]) => ({ path, line, column });
  return {
    handler: at(file, handler),
    copy: copy.map((place) => at(file, place)),
    ...(handlerFolder && { handlerFolder: at(repositoryPath("template.yml", planned), handlerFolder) }),
  };
}

/** The stack file, or the template.yml, of this path. */
async function readNaming(
  path: string,
  { template }: PlannedFunction,
  { tree, templates, hands }: Required<Trees> & { hands: AssembleHands },
): Promise<string> {
  if (path === hands.stackFile?.file) return hands.stackFile.text;
  const origin = template?.url === undefined ? "" : `${template.url}:`;
  if (origin !== "" && path.startsWith(origin)) return readLines(templates.context, path.slice(origin.length));
  return readLines(tree.context, path);
}

async function confirmDigest(
  image: string,
  digest: string | undefined,
  { hands, signal }: { hands: BuildHands; signal: AbortSignal },
): Promise<string> {
  if (digest === undefined && hands.readDigest === undefined) return "";
  if (digest === undefined) throw new Error(`BuildKit told no digest of ${image}`);
  const stored = await hands.readDigest?.(image, { signal });
  if (hands.readDigest && stored !== digest) {
    const found = stored === undefined ? "does not have it" : `has ${stored}`;
    throw new BuilderError("registry_unreachable", `${image} was pushed as ${digest}, but the registry ${found}`);
  }
  return digest;
}

/** The failure that is being told counts more than one to show its place. */
async function readLines(context: Context, file: string): Promise<string> {
  try {
    return (await readText(context, file, maxFileBytes)) ?? "";
  } catch (error) {
    if (error instanceof BuilderError) return "";
    throw error;
  }
}

/** BuildKit tells places relative to the context; people look for them in their repository. */
function placed(error: unknown, planned: PlannedFunction): unknown {
  if (!(error instanceof BuilderError) || error.location === undefined) return error;
  const placeOf = (location: Location): Location => ({ ...location, path: placedPath(location.path, planned) });
  const faults = error.faults.map((fault) => ({ ...fault, location: placeOf(fault.location) }));
  return error.with({ location: placeOf(error.location), faults });
}

/** The build's frontend, which a Dockerfile may choose, may tell of any file: one outside of the context is left as told. */
function placedPath(path: string, planned: PlannedFunction): string {
  const isInside = !path.startsWith("/") && !path.split("/").includes("..");
  return isInside ? repositoryPath(path, planned) : path;
}

/** Where in the repository a file of a function's context is; one of a template of another repository has its address. */
export function repositoryPath(path: string, { template, handler }: PlannedFunction): string {
  if (!template) return posix.join(handler, path);
  const folder = `template/${template.lang}/${path}`;
  return template.url === undefined ? folder : `${template.url}:${folder}`;
}
