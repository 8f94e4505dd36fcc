import { createHmac } from "node:crypto";
import { createReadStream } from "node:fs";
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
import { sealedFileName } from "../model/sealed-file.ts";
import type { ImageRequest } from "../pipeline/build-function.ts";
import { createLimit } from "../pipeline/limit.ts";
import { createPlainSteps } from "../pipeline/plain-steps.ts";
import { backoffOf } from "../pipeline/retry.ts";
import { runBuild, type Watcher } from "../pipeline/run-build.ts";
import { createRemoteBuilder } from "../remote/remote-builder.ts";
import { parseSealingKey, type SealingKey, sealSecrets } from "../remote/seal-secrets.ts";
import { readSecrets } from "./build-extras.ts";
import type { Fields } from "./build-outputs.ts";
import { type LocalRequest, rules, treeOf } from "./local-build.ts";
import { createTemplates } from "./local-templates.ts";

export interface RemoteRequest extends LocalRequest {
  /** Address of the builder. */
  readonly url: string;
  /** File with the secret that requests are signed with; absent where the builder asks for none. */
  readonly payloadSecretFile?: string;
  /** Sign so that each request is good only once, and not only where the builder asks for it. */
  readonly stamp: boolean;
  /** The key that build secrets are sealed for: a file, or its text. Asked of the server where absent. */
  readonly builderPublicKey?: string;
  /** Build secrets of every function, beside those of the stack: `{id, src}` or `{id, env}`. */
  readonly secrets: readonly Fields[];
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
  const { url, stamp, builderPublicKey, folder, secrets: flags } = request;
  const sealingKey = builderPublicKey === undefined ? undefined : await readSealingKey(builderPublicKey);
  const keys = { ...(payloadSecret && { payloadSecret }), ...(sealingKey && { sealingKey }) };
  const build = createRemoteBuild({ url, stamp, ...keys });
  const { environment } = surroundings;
  await using templates = createTemplates({ config, folder: request.folder, surroundings, log, signal });
  return await runBuild(treeOf(request.folder), createPlainSteps(signal), {
    ...(await rules(request, { config, templates, signal })),
    assemble: createFunctionContext,
    // Servers before of-builder tell no digest.
    async build({ secretFiles = {}, ...order }, options) {
      const secrets = await readSecrets(secretFiles, { flags, folder, environment });
      return { digest: "", ...(await build({ ...order, secrets }, options)) };
    },
    limit: createLimit(request.parallel),
    backoff: backoffOf({ firstMs: 1000, attempts: 2 }),
    watcher,
    onBug: (error) => log.error({ err: error }, "bug"),
  });
}

/** Builds one image on a server. */
type RemoteBuild = (
  order: Pick<ImageRequest, "context" | "image" | "buildArgs" | "platforms" | "push" | "secrets">,
  options: { signal: AbortSignal; onEvent: (event: BuildEvent) => void },
) => Promise<{ digest?: string }>;

/**
 * Creates the build of one image on a server: the archive is written to a folder of its own, as its signature goes
 * before it, and removed when the build has ended. Secrets are in it only sealed.
 * @param options.stamp makes each request good only once, and not only where the server asks for it
 * @param options.sealingKey what they are sealed for; asked of the server for each build where absent
 */
export function createRemoteBuild({
  url,
  payloadSecret,
  stamp = false,
  sealingKey,
}: {
  url: string;
  payloadSecret?: string;
  stamp?: boolean;
  sealingKey?: SealingKey;
}): RemoteBuild {
  const builder = createRemoteBuilder(url, { stamp });
  const seal = async (secrets: Readonly<Record<string, Uint8Array>>, signal: AbortSignal) => {
    if (Object.keys(secrets).length === 0) return {};
    const text = sealSecrets(secrets, sealingKey ?? (await builder.fetchKey({ signal })));
    return { [sealedFileName]: Buffer.from(text) };
  };
  return async ({ context, image, buildArgs, platforms, push = true, secrets = {} }, { signal, onEvent }) => {
    const folder = await mkdtemp(join(tmpdir(), "of-builder-remote-"));
    try {
      const file = join(folder, "archive.tar");
      const config: BuildConfigFile = {
        image,
        buildArgs: { ...buildArgs },
        ...(platforms.length > 0 && { platforms: [...platforms] }),
        ...(!push && { skipPush: true }),
      };
      const sealed = await seal(secrets, signal);
      const files = { "com.openfaas.docker.config": Buffer.from(JSON.stringify(config)), ...sealed };
      const hmac = payloadSecret === undefined ? undefined : createHmac("sha256", payloadSecret);
      await writeArchive(file, { context, files }, { signal, onChunk: (chunk) => void hmac?.update(chunk) });
      const sign = payloadSecret && hmac ? { sign: createSigner(file, payloadSecret, hmac.digest("hex")) } : {};
      const order = { file, ...sign };
      const { digest } = await builder.build(order, { signal, onEvent });
      return digest === undefined ? {} : { digest };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
}

/** @param plain what signs the file alone, which is known since it was written */
function createSigner(file: string, secret: string, plain: string): (before: string) => Promise<string> {
  return async (before) => {
    if (before === "") return plain;
    const hmac = createHmac("sha256", secret).update(before);
    for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hmac.update(chunk);
    return hmac.digest("hex");
  };
}

/** As faas-cli takes it: the name of a file, or the key itself. */
async function readSealingKey(given: string): Promise<SealingKey> {
  try {
    return parseSealingKey(await readFile(given, "utf8"), `"${given}"`);
  } catch (error) {
    if (error instanceof BuilderError) throw error;
    return parseSealingKey(given, "the builder's public key");
  }
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
