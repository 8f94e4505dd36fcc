import type { BuildEvent } from "../model/build-event.ts";
import type { Context } from "../model/context.ts";
import type { Endpoint } from "./address.ts";
import { createAuth } from "./auth.ts";
import type { BlobFolder } from "./blob-folder.ts";
import { watchLimits } from "./build-limits.ts";
import { checkPolicy } from "./build-policy.ts";
import { prepareCaches } from "./cache-options.ts";
import { describeAbort, describeTransport, describeUnreachable } from "./call-error.ts";
import { createContentService } from "./content-service.ts";
import { createDockerfileContext } from "./dockerfile-context.ts";
import { finishInEngine, forEngine } from "./engine-image.ts";
import { createFileSync, diffCopyPath } from "./file-sync.ts";
import { createHealth } from "./health.ts";
import { prepareLayout } from "./image-layout.ts";
import { limitLog } from "./log-limit.ts";
import { createProgress, type FailedStep } from "./progress.ts";
import { createReceivers } from "./receivers.ts";
import { createSecrets } from "./secrets.ts";
import { createId, openSession, type Session } from "./session.ts";
import { CallError, type CallHandlers } from "./session-calls.ts";
import { runSolve, type SolveFailure } from "./solve.ts";
import { describeFailure } from "./solve-error.ts";
import { type BuildRequest, contextName, createSolveRequest, dockerfileName, localNameOf } from "./solve-request.ts";
import { createSshAgents } from "./ssh-agents.ts";

export interface BuildResult {
  /** Of the image's manifest, "sha256:..."; undefined where no image was made. */
  readonly digest: string | undefined;
  readonly configDigest: string | undefined;
  /** All that the exporters told. */
  readonly response: Readonly<Record<string, string>>;
}

/** What a client tells of its own doings: fields first, then a sentence. */
export interface ClientLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

interface Build {
  readonly endpoint: Endpoint;
  readonly request: BuildRequest;
  readonly signal: AbortSignal;
  readonly onEvent: (event: BuildEvent) => void;
  readonly maxSilenceMs: number | undefined;
  readonly log: ClientLog;
}

/** Runs one build on one daemon, with a session of its own. Errors are those of the client's `build`. */
export async function runOneBuild({
  endpoint,
  request,
  signal,
  onEvent,
  maxSilenceMs,
  log,
}: Build): Promise<BuildResult> {
  checkPolicy(request);
  const caches = await prepareCaches(request);
  const layout = await prepareLayout(request.exports);
  const { limits = {} } = request;
  const handlers = createHandlers(request, new Map([...caches.stores, ...layout.stores]));
  const session = openSession(endpoint, handlers, { sharedKey: request.sharedKey ?? createId(), maxSilenceMs });
  using watch = watchLimits(limits);
  try {
    const told = limits.logBytes === undefined ? onEvent : limitLog(onEvent, limits.logBytes);
    const progress = createProgress((event) => {
      watch.touch();
      told(event);
    });
    const ref = createId();
    log.debug({ ref, buildkit: endpoint.address }, "build started");
    const stop = AbortSignal.any([signal, watch.signal]);
    const solve = createSolveRequest(request, { ref, session: session.id, caches });
    const { dialEngine } = endpoint;
    const end = await runSolve(session, dialEngine === undefined ? solve : forEngine(solve, request.exports ?? []), {
      progress,
      signal: AbortSignal.any([stop, session.lost]),
    });
    if (!end.ok) throw failureOf(end, { endpoint, signal: stop, session, failed: progress.failed() });
    await caches.finish(end.response);
    await layout.finish(end.response);
    const result = resultOf(end.response);
    if (dialEngine === undefined || request.image === undefined) return result;
    const engine = { address: endpoint.address, dialEngine };
    const { image, engineAccount: findAccount } = request;
    return { ...result, digest: await finishInEngine(engine, { image, findAccount, signal: stop, onEvent: told }) };
  } finally {
    await session.close();
  }
}

/** What the daemon may call; without an entry here it is told that there is no such thing. */
function createHandlers(request: BuildRequest, stores: ReadonlyMap<string, BlobFolder>): CallHandlers {
  const find = request.credentials ?? (async () => undefined);
  const { secrets, sshAgents, exports = [] } = request;
  return new Map([
    createHealth(),
    ...createAuth(find, request.tokens),
    [diffCopyPath, createFileSync(contextsOf(request))],
    ...(secrets === undefined ? [] : [createSecrets(secrets)]),
    ...(sshAgents === undefined ? [] : createSshAgents(sshAgents)),
    ...(exports.length === 0 ? [] : [createReceivers(exports)]),
    ...(stores.size === 0 ? [] : createContentService(stores)),
  ]);
}

function contextsOf({
  context,
  dockerfile = "Dockerfile",
  namedContexts = {},
}: BuildRequest): ReadonlyMap<string, Context> {
  const contexts = new Map([
    [contextName, context],
    [dockerfileName, createDockerfileContext(context, dockerfile)],
  ]);
  for (const [name, named] of Object.entries(namedContexts)) {
    if (typeof named !== "string") contexts.set(localNameOf(name), named);
  }
  return contexts;
}

function resultOf(response: Readonly<Record<string, string>>): BuildResult {
  return {
    digest: response["containerimage.digest"],
    configDigest: response["containerimage.config.digest"],
    response,
  };
}

interface Ending {
  readonly endpoint: Endpoint;
  readonly signal: AbortSignal;
  readonly session: Session;
  readonly failed: readonly FailedStep[];
}

/** Finds the first cause: what was thrown on this side before what the daemon made of it. */
function failureOf(end: SolveFailure, { endpoint, signal, session, failed }: Ending): unknown {
  if (signal.aborted) return describeAbort(signal);
  const fault = session.fault();
  if (fault !== undefined && !(fault instanceof CallError)) return fault;
  if (session.lost.aborted) return describeUnreachable(endpoint.address, session.lost.reason);
  return describeTransport(endpoint.address, end.call) ?? describeFailure(end.failure, failed);
}
