import { createHmac } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config, Surroundings } from "../config.ts";
import { createFunctionContext } from "../contexts/function-context.ts";
import { writeArchive } from "../contexts/write-archive.ts";
import { BuilderError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { BuildConfigFile } from "../model/build-api.ts";
import type { BuildEvent } from "../model/build-event.ts";
import type { PushOutcome } from "../model/outcome.ts";
import type { ImageRequest } from "../pipeline/build-function.ts";
import { createLimit } from "../pipeline/limit.ts";
import { createPlainSteps } from "../pipeline/plain-steps.ts";
import { backoffOf } from "../pipeline/retry.ts";
import { runBuild, type Watcher } from "../pipeline/run-build.ts";
import { createRemoteBuilder } from "../remote/remote-builder.ts";
import { type LocalRequest, rules, treeOf } from "./local-build.ts";
import { createTemplates } from "./local-templates.ts";

export interface RemoteRequest extends LocalRequest {
  /** Address of the builder. */
  readonly url: string;
  /** File with the secret that requests are signed with; absent where the builder asks for none. */
  readonly payloadSecretFile?: string;
  readonly parallel: number;
}

export interface RemoteSurroundings {
  readonly config: Config;
  readonly surroundings: Surroundings;
  readonly log: Log;
  readonly watcher: Watcher;
  readonly signal: AbortSignal;
}

/** Has the functions of a folder of this disk built, and pushed, by a server of the build API. */
export async function buildRemotely(
  request: RemoteRequest,
  { config, surroundings, log, watcher, signal }: RemoteSurroundings,
): Promise<PushOutcome> {
  const payloadSecret = request.payloadSecretFile && (await readSecret(request.payloadSecretFile));
  const build = createRemoteBuild({ url: request.url, ...(payloadSecret && { payloadSecret }) });
  await using templates = createTemplates({ config, folder: request.folder, surroundings, log, signal });
  return await runBuild(treeOf(request.folder), createPlainSteps(signal), {
    ...rules(request, { config, templates }),
    assemble: createFunctionContext,
    // Servers before of-builder tell no digest.
    build: async (order, options) => ({ digest: "", ...(await build(order, options)) }),
    limit: createLimit(request.parallel),
    backoff: backoffOf({ firstMs: 1000, attempts: 2 }),
    watcher,
    onBug: (error) => log.error({ err: error }, "bug"),
  });
}

/** Builds one image on a server. */
type RemoteBuild = (
  order: Pick<ImageRequest, "context" | "image" | "buildArgs" | "platforms" | "push">,
  options: { signal: AbortSignal; onEvent: (event: BuildEvent) => void },
) => Promise<{ digest?: string }>;

/**
 * Creates the build of one image on a server: the archive is written to a folder of its own, as its signature goes
 * before it, and removed when the build has ended.
 */
export function createRemoteBuild({ url, payloadSecret }: { url: string; payloadSecret?: string }): RemoteBuild {
  const builder = createRemoteBuilder(url);
  return async ({ context, image, buildArgs, platforms, push = true }, { signal, onEvent }) => {
    const folder = await mkdtemp(join(tmpdir(), "of-builder-remote-"));
    try {
      const file = join(folder, "archive.tar");
      const hmac = payloadSecret === undefined ? undefined : createHmac("sha256", payloadSecret);
      const config: BuildConfigFile = {
        image,
        buildArgs: { ...buildArgs },
        ...(platforms.length > 0 && { platforms: [...platforms] }),
        ...(!push && { skipPush: true }),
      };
      const files = { "com.openfaas.docker.config": Buffer.from(JSON.stringify(config)) };
      await writeArchive(file, { context, files }, { signal, onChunk: (chunk) => void hmac?.update(chunk) });
      const order = { file, ...(hmac && { signature: hmac.digest("hex") }) };
      const { digest } = await builder.build(order, { signal, onEvent });
      return digest === undefined ? {} : { digest };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
}

async function readSecret(file: string): Promise<string> {
  let text: string;
  try {
    text = (await readFile(file, "utf8")).trim();
  } catch (cause) {
    throw new BuilderError("usage", `payload secret "${file}": ${messageOf(cause)}`, {
      cause,
      fix: "Name the file with --payload-secret.",
    });
  }
  if (text === "") throw new BuilderError("usage", `payload secret "${file}" is empty`);
  return text;
}
