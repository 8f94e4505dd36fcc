import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Buildkit } from "../buildkit/client.ts";
import type { Config, Surroundings } from "../config.ts";
import { createDirectoryContext } from "../contexts/directory.ts";
import { createFunctionContext, type FunctionParts } from "../contexts/function-context.ts";
import { BuilderError, type Fault, messageOf } from "../errors.ts";
import { mayBeOfRepository } from "../git/find-repository.ts";
import type { Log } from "../log.ts";
import type { Context } from "../model/context.ts";
import { faultText } from "../model/faults.ts";
import type { Selection } from "../model/function-selection.ts";
import type { TagFormat } from "../model/image-name.ts";
import type { PushOutcome } from "../model/outcome.ts";
import type { Variables } from "../model/substitute.ts";
import type { FoundBuildkit } from "../parts/find-buildkit.ts";
import type { ImageRequest } from "../pipeline/build-function.ts";
import { createLimit } from "../pipeline/limit.ts";
import { createPlainSteps } from "../pipeline/plain-steps.ts";
import type { PlanHands, PlannedFunction } from "../pipeline/plan.ts";
import { backoffOf } from "../pipeline/retry.ts";
import { assembleAll, runBuild, type Watcher } from "../pipeline/run-build.ts";
import type { Tree } from "../pipeline/tree.ts";
import { createCredentials } from "../registry/credentials.ts";
import { openPermit } from "../registry/permit.ts";
import { type BuildExtras, createExtraRequests, isPlain } from "./build-extras.ts";
import { withTransport } from "./build-outputs.ts";
import { folderIdentity } from "./folder-identity.ts";
import { createImageNames } from "./image-names.ts";
import { createLocalChanges } from "./local-changes.ts";
import { openLocalMemory } from "./local-memory.ts";
import { createTemplates, type LocalTemplates } from "./local-templates.ts";
import { createPushTarget } from "./push-target.ts";
import { createRegistrySignIn } from "./registry-sign-in.ts";

/** Which functions of a folder are meant, and how its stack file is read. */
export interface LocalRequest {
  readonly folder: string;
  readonly stackFile?: { readonly file: string; readonly text: string };
  readonly variables?: Variables;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** All functions where absent. */
  readonly selection?: Selection;
  /** What becomes of the tags that the stack gives its images; nothing where absent. */
  readonly tag?: TagFormat;
}

export interface BuildRequest extends LocalRequest {
  readonly push: boolean;
  readonly parallel: number;
  readonly noCache: boolean;
  /** Builds what has not changed, too. */
  readonly force: boolean;
  readonly extras: BuildExtras;
  /** Takes the output whose destination is "-". */
  readonly standardOutput: NodeJS.WritableStream;
}

interface BuildSurroundings {
  readonly config: Config;
  readonly surroundings: Surroundings;
  readonly log: Log;
  readonly watcher: Watcher;
  readonly signal: AbortSignal;
}

/** Where `npm run tools` puts what it compiles. */
export const toolsFolder = fileURLToPath(new URL("../../.tools/bin", import.meta.url));

/**
 * Builds the functions of a folder of this disk. BuildKit is looked for when the first of them has to be built; where
 * nothing has changed the modules for that are not even loaded, which would take longer than all else.
 */
export async function buildFolder(request: BuildRequest, around: BuildSurroundings): Promise<PushOutcome> {
  const { config, log, watcher, signal } = around;
  const { push } = request;
  await using buildkit = createLateBuildkit(around);
  await using templates = createTemplates({ ...around, folder: request.folder });
  const credentials = createCredentials({ folder: config.dockerConfig });
  const target = createPushTarget({ setting: config.insecure, mirror: config.dockerMirror, credentials });
  const signIn = createRegistrySignIn({ credentials, target, permitFor: () => openPermit });
  const memory = await openLocalMemory(config.dataFolder, request.folder);
  const force = request.force || request.noCache;
  const { environment } = around.surroundings;
  const commit = async () => {
    if (!mayBeOfRepository(request.folder, environment)) return "";
    return (await import("../git/read-head.ts")).readUnchangedCommit(request.folder, { signal });
  };
  const extra = createExtraRequests(request.extras, {
    folder: request.folder,
    environment,
    standardOutput: request.standardOutput,
    signal,
  });
  /** By the names that the stack gives them. */
  const pushedAs = new Map<string, string>();
  const build = async (
    { image, name = "", platforms, secretFiles = {}, ...rest }: ImageRequest,
    options: Parameters<Buildkit["build"]>[1],
  ) => {
    const { image: named, ...extras } = await extra({ name, image, platforms, secretFiles }, { push });
    const made = named && (await withTransport(named, (to) => target.isInsecure(to, options)));
    if (made) pushedAs.set(image, made.names[0] ?? image);
    const outputs = { ...(made && { image: made }), ...signIn(made?.push ? made.names : []) };
    return buildkit.client().build({ ...rest, ...extras, noCache: request.noCache, ...outputs }, options);
  };
  try {
    return await runBuild(treeOf(request.folder), createPlainSteps(signal), {
      ...(await rules(request, { config, templates, signal })),
      assemble: createFunctionContext,
      // What was built last time says nothing of other outputs, stages or secrets.
      ...(isPlain(request.extras) && {
        changes: createLocalChanges({ memory, target, push, force, commit, log, signal }),
      }),
      ready: buildkit.open,
      build,
      ...(push && { readDigest: (image, options) => target.readStoredDigest(pushedAs.get(image) ?? image, options) }),
      limit: createLimit(request.parallel),
      backoff: backoffOf({ firstMs: 1000, attempts: 2 }),
      watcher,
      onBug: (error) => log.error({ err: error }, "bug"),
    });
  } finally {
    await memory.save().catch((error) => log.warn({ reason: messageOf(error) }, "builds are not remembered"));
  }
}

interface LateBuildkit extends AsyncDisposable {
  /** Finds or starts BuildKit. */
  open(): Promise<void>;
  client(): Buildkit;
}

/** Where nothing has changed neither the daemon nor the packages that speak to it are needed. */
function createLateBuildkit(around: BuildSurroundings): LateBuildkit {
  const parts = new AsyncDisposableStack();
  let client: Buildkit | undefined;
  return {
    async open() {
      const daemon = parts.use(await provideBuildkit(around));
      const { createPool, settingsFor } = await import("./buildkit-pool.ts");
      const { config, surroundings, log, signal } = around;
      const settings = settingsFor(config, daemon, surroundings.environment);
      // How many run at a time is the command's to say.
      client = createPool(settings, { addresses: daemon.address, slots: Number.POSITIVE_INFINITY, log });
      parts.adopt(client, (opened) => opened.close());
      await client.check({ signal });
    },
    client() {
      if (!client) throw new Error("BuildKit is used before it is there");
      return client;
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/**
 * Writes the build contexts of a folder's functions: each to a folder of its name, or to an archive NAME.tar that
 * POST /build takes.
 * @returns the folders, or the archives
 */
export async function shrinkwrapFolder(
  request: LocalRequest & { readonly target: string; readonly tar?: boolean },
  { config, surroundings, log, signal }: Omit<BuildSurroundings, "watcher">,
): Promise<readonly string[]> {
  await using templates = createTemplates({ config, folder: request.folder, surroundings, log, signal });
  // What an earlier run wrote is no part of a function, and what this one writes could be read without end.
  const leftOut = resolve(request.target);
  const assemble = (parts: FunctionParts) => createFunctionContext({ ...parts, leftOut });
  const hands = { ...(await rules(request, { config, templates, signal })), assemble };
  const warn = (warning: Fault) => log.warn({}, faultText(warning));
  const written: string[] = [];
  for (const { planned, context } of await assembleAll(treeOf(request.folder), { ...hands, warn })) {
    const place = join(request.target, request.tar ? `${planned.name}.tar` : planned.name);
    if (request.tar) await writeOrder(place, { planned, context, signal });
    else await (await import("../contexts/write-context.ts")).writeContext(context, place, { signal });
    written.push(place);
  }
  return written;
}

async function writeOrder(
  file: string,
  { planned, context, signal }: { planned: PlannedFunction; context: Context; signal: AbortSignal },
): Promise<void> {
  const { image, buildArgs, platforms } = planned;
  const config = { image, buildArgs, ...(platforms.length > 0 && { platforms }) };
  const files = { "com.openfaas.docker.config": Buffer.from(JSON.stringify(config)) };
  const { writeArchive } = await import("../contexts/write-archive.ts");
  await mkdir(dirname(file), { recursive: true });
  try {
    await writeArchive(file, { context, files }, { signal, onChunk: () => {} });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    throw new BuilderError("usage", `archive "${file}" exists already`, { cause, fix: "Name a folder that is new." });
  }
}

/** Links may lead anywhere inside the folder, and nowhere else. */
export function treeOf(folder: string): Tree {
  const context = createDirectoryContext(folder, { within: folder, links: "resolve" });
  return { folder, context, identity: folderIdentity(folder) };
}

/**
 * How the stack of a folder is read.
 * @throws BuilderError `usage` where its tags need a commit and it has none
 */
export async function rules(
  request: LocalRequest,
  { config, templates, signal }: { config: Config; templates: LocalTemplates; signal: AbortSignal },
): Promise<PlanHands> {
  return {
    ...(request.stackFile && { stackFile: request.stackFile }),
    ...(request.variables && { variables: request.variables }),
    buildArgs: request.buildArgs,
    ...(request.selection && { selection: request.selection }),
    pushed: false,
    imageOf: await createImageNames(request.tag ?? "latest", { folder: request.folder, signal }),
    dockerfileLang: true,
    templateUrls: config.customTemplates,
    allowsSource: () => true,
    ...templates.hands,
  };
}

async function provideBuildkit({ config, surroundings, log, signal }: BuildSurroundings): Promise<FoundBuildkit> {
  const { defaultAddresses, findBuildkit } = await import("../parts/find-buildkit.ts");
  const { environment } = surroundings;
  return findBuildkit({
    given: config.buildkitUrl,
    defaults: defaultAddresses(surroundings.runtimeFolder),
    ...surroundings,
    toolsFolder,
    folder: join(config.dataFolder, "buildkit"),
    insecureRegistries: [],
    findEngine: async () => (await import("./buildkit-pool.ts")).findEngine(config, { environment, log, signal }),
    log,
    signal,
  });
}
