import { buildRemotely, type RemoteRequest } from "../compose/remote-build.ts";
import { readConfig, readSurroundings } from "../config.ts";
import { BuilderError } from "../errors.ts";
import { type BuildOptions, openProgress, parseParallel, readRequest } from "./build.ts";
import { createPlainLog } from "./plain-log.ts";
import { abortOnSignal } from "./signals.ts";
import { exitCodes, type World } from "./world.ts";

/** The options of `of-builder remote-build` as the command line gives them. */
export interface RemoteBuildOptions
  extends Pick<BuildOptions, "yaml" | "filter" | "regex" | "parallel" | "envsubst" | "buildArg" | "tag" | "progress"> {
  readonly url?: string;
  readonly payloadSecret?: string;
  readonly stamp?: boolean;
  readonly builderPublicKey?: string;
  readonly secret: RemoteRequest["secrets"];
}

/**
 * `of-builder remote-build`: the stack of the current folder, built and pushed by a server.
 * @returns 0 when every function was built, 1 when one failed
 */
export async function remoteBuild(options: RemoteBuildOptions, world: World): Promise<number> {
  const config = readConfig(world.env);
  const payloadSecretFile = options.payloadSecret || world.env.OPENFAAS_PAYLOAD_SECRET;
  const builderPublicKey = options.builderPublicKey || world.env.OPENFAAS_BUILDER_PUBLIC_KEY;
  using interrupt = abortOnSignal();
  const request = {
    ...(await readRequest(options, world, interrupt)),
    url: readUrl(options, world),
    ...(payloadSecretFile && { payloadSecretFile }),
    ...(builderPublicKey && { builderPublicKey }),
    stamp: options.stamp === true,
    secrets: options.secret,
    parallel: parseParallel(options.parallel),
  };
  const progress = openProgress(options.progress, world);
  try {
    const outcome = await buildRemotely(request, {
      config,
      surroundings: readSurroundings(world.env),
      log: createPlainLog((text) => progress.note(text.trimEnd())),
      watcher: progress,
      signal: interrupt.signal,
    });
    return outcome.state === "success" ? exitCodes.success : exitCodes.failed;
  } finally {
    progress.close();
  }
}

function readUrl({ url }: RemoteBuildOptions, { env }: World): string {
  const given = url || env.OPENFAAS_REMOTE_BUILDER;
  if (given) return given;
  throw new BuilderError("usage", "no builder is named", { fix: "Name one with --url or OPENFAAS_REMOTE_BUILDER." });
}
