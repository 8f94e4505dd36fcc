import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createBuildkit } from "../buildkit/client.ts";
import type { Config, Surroundings } from "../config.ts";
import { createDirectoryContext } from "../contexts/directory.ts";
import { createFunctionContext } from "../contexts/function-context.ts";
import { writeContext } from "../contexts/write-context.ts";
import type { Log } from "../log.ts";
import { imageOfStack } from "../model/image-name.ts";
import type { PushOutcome } from "../model/outcome.ts";
import type { Variables } from "../model/substitute.ts";
import { defaultAddresses, type FoundBuildkit, findBuildkit } from "../parts/find-buildkit.ts";
import type { ImageRequest } from "../pipeline/build-function.ts";
import { createLimit } from "../pipeline/limit.ts";
import { createPlainSteps } from "../pipeline/plain-steps.ts";
import type { PlanHands } from "../pipeline/plan.ts";
import { backoffOf } from "../pipeline/retry.ts";
import { assembleAll, runBuild, type Watcher } from "../pipeline/run-build.ts";
import type { Tree } from "../pipeline/tree.ts";
import { createCredentials } from "../registry/credentials.ts";
import { createTemplates, type LocalTemplates } from "./local-templates.ts";
import { createPushTarget } from "./push-target.ts";

/** Which functions of a folder are meant, and how its stack file is read. */
export interface LocalRequest {
  readonly folder: string;
  readonly stackFile?: { readonly file: string; readonly text: string };
  readonly variables?: Variables;
  readonly buildArgs: Readonly<Record<string, string>>;
  wants(name: string): boolean;
}

export interface BuildRequest extends LocalRequest {
  readonly push: boolean;
  readonly parallel: number;
  readonly noCache: boolean;
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

/** Builds the functions of a folder of this disk. */
export async function buildFolder(request: BuildRequest, around: BuildSurroundings): Promise<PushOutcome> {
  const { config, log, watcher, signal } = around;
  await using daemon = await provideBuildkit(around);
  const buildkit = createBuildkit({ address: daemon.address, force: config.buildkitForce, log });
  await using templates = createTemplates({ ...around, folder: request.folder });
  try {
    await buildkit.check({ signal });
    const credentials = createCredentials({ folder: config.dockerConfig });
    const target = createPushTarget({ setting: config.insecure, credentials });
    const build = async ({ image, ...rest }: ImageRequest, options: Parameters<typeof buildkit.build>[1]) => {
      const insecure = request.push && (await target.isInsecure(image, options));
      const names = { names: [image], push: request.push, insecure };
      return buildkit.build({ ...rest, noCache: request.noCache, image: names, credentials }, options);
    };
    return await runBuild(treeOf(request.folder), createPlainSteps(signal), {
      ...rules(request, { config, templates }),
      assemble: createFunctionContext,
      build,
      ...(request.push && { readDigest: target.readDigest }),
      limit: createLimit(request.parallel),
      backoff: backoffOf({ firstMs: 1000, attempts: 2 }),
      watcher,
      onBug: (error) => log.error({ err: error }, "bug"),
    });
  } finally {
    buildkit.close();
  }
}

/**
 * Writes the build contexts of a folder's functions, each to a folder of its name.
 * @returns the folders
 */
export async function shrinkwrapFolder(
  request: LocalRequest & { readonly target: string },
  { config, surroundings, log, signal }: Omit<BuildSurroundings, "watcher">,
): Promise<readonly string[]> {
  await using templates = createTemplates({ config, folder: request.folder, surroundings, log, signal });
  const hands = { ...rules(request, { config, templates }), assemble: createFunctionContext };
  const contexts = await assembleAll(treeOf(request.folder), hands);
  const folders: string[] = [];
  for (const { name, context } of contexts) {
    const folder = join(request.target, name);
    await writeContext(context, folder, { signal });
    folders.push(folder);
  }
  return folders;
}

/** Links may lead anywhere inside the folder, and nowhere else. */
function treeOf(folder: string): Tree {
  return { folder, context: createDirectoryContext(folder, { within: folder, links: "resolve" }) };
}

function rules(request: LocalRequest, { config, templates }: { config: Config; templates: LocalTemplates }): PlanHands {
  return {
    ...(request.stackFile && { stackFile: request.stackFile }),
    ...(request.variables && { variables: request.variables }),
    buildArgs: request.buildArgs,
    wants: request.wants,
    imageOf: ({ image, name }) => imageOfStack(image || name),
    dockerfileLang: true,
    templateUrls: config.customTemplates,
    allowsSource: () => true,
    ...templates.hands,
  };
}

async function provideBuildkit({ config, surroundings, log, signal }: BuildSurroundings): Promise<FoundBuildkit> {
  return findBuildkit({
    given: config.buildkitUrl,
    defaults: defaultAddresses(surroundings.runtimeFolder),
    ...surroundings,
    toolsFolder,
    folder: join(config.dataFolder, "buildkit"),
    insecureRegistries: [],
    log,
    signal,
  });
}
