import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Request, RequestHandler, Response } from "express";
import { BuilderError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { createLimit } from "../pipeline/limit.ts";
import { createAddressLimit } from "./address-limit.ts";
import { drainBody, lingerOnBody, slowLingerMs } from "./body-rest.ts";
import { type BuildAnswer, type BuildEnd, createLegacyAnswer, createWholeAnswer } from "./build-answer.ts";
import { type Intake, type IntakeHands, takeRequest } from "./build-intake.ts";
import { type BuildJobs, createBuildJobs, type JobEvent, type JobHands } from "./build-job.ts";
import type { BuildMetrics } from "./build-metrics.ts";
import { createStreamedAnswer, type StreamForm } from "./build-stream.ts";
import type { LegacyForm } from "./legacy-status.ts";

export interface BuildRouteHands extends Omit<IntakeHands, "limits">, JobHands {
  /** Where bodies are kept while they are built; must exist. */
  readonly temporaryFolder: string;
  readonly limits: IntakeHands["limits"] & {
    /** Longest silence of a streamed answer; default 15 s. */
    readonly heartbeatMs?: number;
    /** Bodies that arrive at the same time, half of them from one address; default 128. */
    readonly maxArriving?: number;
    /** How long a request waits, unread, until its body may arrive; default 30 s. */
    readonly arrivalLimitMs?: number;
  };
  /** Answers whoever asks for no stream as OpenFaaS Cloud's of-builder did. */
  readonly legacyStatus?: LegacyForm | undefined;
  readonly metrics?: BuildMetrics;
  /** From then on nothing new is taken. */
  readonly stopping?: AbortSignal;
  /** Ends all builds. */
  readonly leaving?: AbortSignal;
  readonly log: Log;
}

const defaultHeartbeatMs = 15_000;
const defaultMaxArriving = 128;
/** What many clients send at once has arrived by then; one behind slow bodies is told to come again. */
const defaultArrivalLimitMs = 30_000;
/** To unpack and to index take memory by the size of the archive, and a processor each. */
const maxOpening = 2;

/**
 * Creates the handler of POST /build: a tar archive (plain or packed) of a folder `context/` with a Dockerfile and a
 * file that names the image comes in, its build's log and result go out, at once as one JSON document or as a stream of
 * records. The body goes to a folder of its own, which is gone before the answer ends; nothing in it is looked at
 * before its signature holds. A request that is at fault is answered 4xx; a build that failed 500, in a stream 200.
 */
export function createBuildRoute(hands: BuildRouteHands): RequestHandler {
  const jobs = createBuildJobs(hands);
  const take = limitArriving(hands);
  return async (request, response) => {
    const measured = hands.metrics?.buildRequest();
    const gone = abortWhenGone(response);
    const signal = hands.leaving ? AbortSignal.any([gone, hands.leaving]) : gone;
    const answer = createAnswer(request, response, hands);
    const end = await runRequest(request, { hands, take, jobs, answer, signal });
    measured?.(gone.aborted ? "gone" : end.state);
    if (end.state !== "success") logFault(hands.log, end);
    if (gone.aborted) return;
    if (end.state === "refused") await makeReadable(request, end.error);
    answer.end(end);
  };
}

type Take = (request: Request, options: { folder: string; signal: AbortSignal }) => Promise<Intake>;

/** Takes requests in, so many at a time: each one may fill the disk. The others wait, unread. */
function limitArriving(hands: BuildRouteHands): Take {
  const { maxArriving = defaultMaxArriving, arrivalLimitMs: limitMs = defaultArrivalLimitMs } = hands.limits;
  const limit = createAddressLimit(maxArriving);
  const opening = createLimit(maxOpening);
  const openArchive: IntakeHands["openArchive"] = (file, options) => opening(() => hands.openArchive(file, options));
  return async (request, options) => {
    using place = await limit.enter(request.socket.remoteAddress, { limitMs, signal: options.signal });
    if (!place) throw new BuilderError("too_busy", "as many requests are arriving already as may");
    return await takeRequest(request, { ...hands, openArchive }, options);
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

/** Many clients read only after they have written everything; a body that is too slow is not waited for. */
async function makeReadable(request: Request, error: unknown): Promise<void> {
  const isSlow = error instanceof BuilderError && error.code === "body_slow";
  if (isSlow) lingerOnBody(request, { limitMs: slowLingerMs });
  else await drainBody(request);
}

/** A refusal is never streamed: as long as nothing was built, a status tells more. */
function createAnswer(request: Request, response: Response, { limits, legacyStatus }: BuildRouteHands): BuildAnswer {
  const form = streamForm(request.headers.accept ?? "");
  if (form === undefined)
    return legacyStatus ? createLegacyAnswer(response, legacyStatus) : createWholeAnswer(response);
  const whole = createWholeAnswer(response);
  const streamed = createStreamedAnswer(response, { form, heartbeatMs: limits.heartbeatMs ?? defaultHeartbeatMs });
  return { ...streamed, end: (end) => (streamed.begun() ? streamed.end(end) : whole.end(end)) };
}

function streamForm(accept: string): StreamForm | undefined {
  if (/application\/x-ndjson/i.test(accept)) return "ndjson";
  return /text\/event-stream/i.test(accept) ? "events" : undefined;
}

interface Run {
  readonly hands: BuildRouteHands;
  readonly take: Take;
  readonly jobs: BuildJobs;
  readonly answer: BuildAnswer;
  readonly signal: AbortSignal;
}

async function runRequest(request: Request, { hands, take, jobs, answer, signal }: Run): Promise<BuildEnd> {
  const { log, temporaryFolder, stopping, leaving } = hands;
  let image: string | undefined;
  let isOver = false;
  let letAgain: (() => void) | undefined;
  try {
    stopping?.throwIfAborted();
    await using stack = new AsyncDisposableStack();
    const folder = stack.adopt(await mkdtemp(join(temporaryFolder, "build-")), removeFolder);
    const intake = await take(request, { folder, signal });
    letAgain = intake.letAgain;
    const onEvent = (event: JobEvent) => {
      if (isOver) return;
      // From the first word on there is a build, if only one that waits.
      if (image === undefined) answer.begin();
      image = intake.config.image;
      pass(event, answer);
    };
    log.info({ image: intake.config.image, client: intake.client }, "an archive is to be built");
    stack.move();
    const { digest } = await unlessLeaving(jobs.run({ ...intake, folder }, { signal, onEvent }), leaving);
    log.info({ image: intake.config.image, digest }, "build of an archive succeeded");
    return { state: "success", image: intake.config.image, digest };
  } catch (error) {
    letAgain?.();
    return image === undefined ? { state: "refused", error } : { state: "failed", image, error };
  } finally {
    isOver = true;
  }
}

/**
 * Waits for a build. Where the server leaves, its end is not waited for: BuildKit may take its time, and a client that
 * has not been told until the connection is cut takes that for a success.
 */
async function unlessLeaving<T>(build: Promise<T>, leaving: AbortSignal | undefined): Promise<T> {
  if (!leaving) return await build;
  const { promise: left, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(leaving.reason);
  leaving.addEventListener("abort", onAbort, { once: true });
  if (leaving.aborted) onAbort();
  try {
    return await Promise.race([build, left]);
  } finally {
    leaving.removeEventListener("abort", onAbort);
  }
}

function removeFolder(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true });
}

function pass(event: JobEvent, answer: BuildAnswer): void {
  if (event.kind === "waits") answer.onPlace(event.before);
  else if (event.kind === "begins") answer.onPlace(undefined);
  else answer.onEvent(event.event);
}

function logFault(log: Log, end: Exclude<BuildEnd, { state: "success" }>): void {
  const image = end.state === "failed" ? { image: end.image } : {};
  if (end.error instanceof BuilderError) {
    log.info({ ...image, code: end.error.code }, `build of an archive ${end.state}: ${end.error.message}`);
  } else {
    log.error({ ...image, err: end.error }, `bug: ${messageOf(end.error)}`);
  }
}
