import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Request, RequestHandler, Response } from "express";
import { BuilderError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { BuildEvent } from "../model/build-event.ts";
import type { Context } from "../model/context.ts";
import { type BuildAnswer, type BuildEnd, createWholeAnswer } from "./build-answer.ts";
import { drainBody, spoolBody, unpackBody } from "./build-body.ts";
import { type BuildConfig, configNames, parseBuildConfig } from "./build-config.ts";
import { type ClaimedSignature, readSignature } from "./build-signature.ts";
import { createStreamedAnswer } from "./build-stream.ts";

export interface BuildRouteHands {
  /** Builds, and pushes where the client wants it. */
  build(
    order: {
      readonly context: Context;
      readonly image: string;
      readonly buildArgs: Readonly<Record<string, string>>;
      readonly platforms: readonly string[];
      readonly push: boolean;
    },
    options: { signal: AbortSignal; onEvent: (event: BuildEvent) => void },
  ): Promise<unknown>;
  /** The payload secret, read anew for each request; while there is none, anyone can build. */
  secret(): Promise<string | undefined>;
  /** Indexes the archive of a build where it lies. */
  openArchive(file: string, options: { signal: AbortSignal }): Promise<OpenedArchive>;
  /** Where bodies are kept while they are built; must exist. */
  readonly temporaryFolder: string;
  readonly limits: {
    /** Of the body, packed and unpacked. */
    readonly maxBodyBytes: number;
    /** Longest silence of a streamed answer; default 15 s. */
    readonly heartbeatMs?: number;
  };
  /** Takes X-Cloud-Signature with SHA-1 too, as clients from 2018 to 2021 send it. */
  readonly allowSha1?: boolean;
  /** Ends all builds, when the server stops. */
  readonly stopping?: AbortSignal;
  readonly log: Log;
}

export interface OpenedArchive {
  readonly context: Context;
  readFile(path: string, maxBytes: number): Promise<Buffer | undefined>;
}

const maxConfigBytes = 1024 * 1024;
const defaultHeartbeatMs = 15_000;

/**
 * Creates the handler of POST /build: a tar archive (plain or gzip) of a folder `context/` with a Dockerfile and a file
 * that names the image comes in, its build's log and result go out, at once as one JSON document or as a stream of
 * records. The body goes to a folder of its own, which is gone before the answer ends; nothing in it is looked at
 * before its signature holds. A request that is at fault is answered 4xx; a build that failed 500, in a stream 200.
 */
export function createBuildRoute(hands: BuildRouteHands): RequestHandler {
  return async (request, response) => {
    const gone = abortWhenGone(response);
    const signal = hands.stopping ? AbortSignal.any([gone, hands.stopping]) : gone;
    const answer = createAnswer(request, response, hands);
    const end = await runRequest(request, { hands, answer, signal });
    if (end.state !== "success") logFault(hands.log, end);
    if (gone.aborted) return;
    if (end.state === "refused" && !(await drainBody(request))) response.set("Connection", "close");
    answer.end(end);
  };
}

/** Aborts as soon as nobody waits for the answer any more. */
function abortWhenGone(response: Response): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort(new BuilderError("build_cancelled", "the client has hung up"));
  });
  return gone.signal;
}

/** A refusal is never streamed: as long as nothing was built, a status tells more. */
function createAnswer(request: Request, response: Response, { limits }: BuildRouteHands): BuildAnswer {
  const whole = createWholeAnswer(response);
  if (!/application\/x-ndjson/i.test(request.headers.accept ?? "")) return whole;
  const streamed = createStreamedAnswer(response, { heartbeatMs: limits.heartbeatMs ?? defaultHeartbeatMs });
  return {
    begin: streamed.begin,
    onEvent: streamed.onEvent,
    end: (end) => (streamed.begun ? streamed.end(end) : whole.end(end)),
  };
}

interface Run {
  readonly hands: BuildRouteHands;
  readonly answer: BuildAnswer;
  readonly signal: AbortSignal;
}

async function runRequest(request: Request, run: Run): Promise<BuildEnd> {
  let config: BuildConfig | undefined;
  try {
    const folder = await mkdtemp(join(run.hands.temporaryFolder, "build-"));
    try {
      const archive = await receiveArchive(request, folder, run);
      config = await readConfig(archive);
      await runBuild(archive.context, config, run);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    return { state: "success", image: config.image };
  } catch (error) {
    return config ? { state: "failed", image: config.image, error } : { state: "refused", error };
  }
}

async function receiveArchive(request: Request, folder: string, { hands, signal }: Run): Promise<OpenedArchive> {
  const { maxBodyBytes: maxBytes } = hands.limits;
  const signature = await claimedSignature(request, hands);
  const packed = join(folder, "body");
  await spoolBody(request, packed, { maxBytes, onChunk: (chunk) => signature?.update(chunk), signal });
  signature?.check();
  const file = await unpackBody(packed, { target: join(folder, "body.tar"), maxBytes, signal });
  if (file !== packed) await rm(packed);
  return hands.openArchive(file, { signal });
}

async function claimedSignature(
  request: Request,
  { secret: readSecret, allowSha1 = false }: BuildRouteHands,
): Promise<ClaimedSignature | undefined> {
  const secret = await readSecret();
  if (secret === undefined) return undefined;
  // With an empty key anyone could sign.
  if (secret === "") throw new BuilderError("setting_invalid", "the payload secret is empty");
  return readSignature(request.headers, { secret, allowSha1 });
}

async function readConfig(archive: OpenedArchive): Promise<BuildConfig> {
  for (const name of configNames) {
    const bytes = await archive.readFile(name, maxConfigBytes);
    if (bytes) return parseBuildConfig(bytes.toString("utf8"));
  }
  throw new BuilderError("tar_invalid", `the archive has no file ${configNames.join(" or ")} at its root`, {
    fix: 'Add a file com.openfaas.docker.config that holds {"image": "REGISTRY/NAME:TAG"}.',
  });
}

async function runBuild(context: Context, config: BuildConfig, { hands, answer, signal }: Run): Promise<void> {
  signal.throwIfAborted();
  const { pushName: image, buildArgs, platforms, push } = config;
  hands.log.info({ image, push }, "build of an archive started");
  answer.begin();
  await hands.build({ context, image, buildArgs, platforms, push }, { signal, onEvent: answer.onEvent });
  hands.log.info({ image, push }, "build of an archive succeeded");
}

function logFault(log: Log, end: Exclude<BuildEnd, { state: "success" }>): void {
  const image = end.state === "failed" ? { image: end.image } : {};
  if (end.error instanceof BuilderError) {
    log.info({ ...image, code: end.error.code }, `build of an archive ${end.state}: ${end.error.message}`);
  } else {
    log.error({ ...image, err: end.error }, `bug: ${messageOf(end.error)}`);
  }
}
