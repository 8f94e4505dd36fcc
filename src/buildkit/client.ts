/*
 * A client of BuildKit for Dockerfile builds: the daemon is spoken to over gRPC, the build's context and credentials
 * lie on this side and are asked for through a session. It knows nothing of what the images are for.
 */
import { BuilderError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { BuildEvent } from "../model/build-event.ts";
import { type Endpoint, parseAddress } from "./address.ts";
import { createAuth } from "./auth.ts";
import { describeAbort, describeTransport, describeUnreachable } from "./call-error.ts";
import { askVersion, checkVersion } from "./daemon-version.ts";
import { createFileSync, diffCopyPath } from "./file-sync.ts";
import { createHealth } from "./health.ts";
import { createProgress, type FailedStep } from "./progress.ts";
import { createId, openSession, type Session } from "./session.ts";
import { CallError, type CallHandlers } from "./session-calls.ts";
import { runSolve, type SolveFailure } from "./solve.ts";
import { describeFailure } from "./solve-error.ts";
import { type BuildRequest, contextName, createSolveRequest, dockerfileName } from "./solve-request.ts";
import type { TlsFiles } from "./tls-files.ts";

export interface Buildkit {
  /**
   * Runs one build, with a session of its own.
   * @param options.signal cancels it; the promise then rejects when its containers are gone
   * @param options.onEvent hears of each step, its progress and what it prints, in order
   * @throws BuilderError `build_failed` with the place in the Dockerfile, `build_cancelled`, `buildkit_unreachable`,
   *   `buildkit_refused`, `registry_unreachable`, `registry_denied`, or what the context threw
   */
  build(
    request: BuildRequest,
    options: { signal: AbortSignal; onEvent: (event: BuildEvent) => void },
  ): Promise<BuildResult>;
  /**
   * Asks the daemon for its version.
   * @throws BuilderError `buildkit_unreachable` (also after 5 s of silence), `buildkit_refused` where it is too old
   */
  check(options: { signal: AbortSignal }): Promise<{ readonly version: string }>;
  /** Ends the client: builds that still run are cancelled. */
  close(): void;
}

export interface BuildResult {
  /** Of the image's manifest, "sha256:..."; undefined where no image was made. */
  readonly digest: string | undefined;
  readonly configDigest: string | undefined;
  /** All that the exporter told. */
  readonly response: Readonly<Record<string, string>>;
}

export interface BuildkitOptions {
  /** "tcp://HOST:PORT", "unix:///PATH" or "docker:///PATH": see parseAddress. */
  readonly address: string;
  /** Makes connections over TCP speak TLS. */
  readonly tls?: TlsFiles | undefined;
  /** Accepts a daemon that is older than the security floor. */
  readonly force?: boolean;
  readonly log: Log;
}

/**
 * Creates a client. Nothing is connected yet.
 * @throws BuilderError `setting_invalid` where the address is none
 */
export function createBuildkit({ address, tls, force = false, log }: BuildkitOptions): Buildkit {
  const endpoint = parseAddress(address, { tls });
  const closed = new AbortController();
  let isChecked = false;
  const check: Buildkit["check"] = async ({ signal }) => {
    const version = await askVersion(endpoint, signal);
    if (!force) checkVersion(version, address);
    isChecked = true;
    return { version };
  };
  return {
    check,
    async build(request, options) {
      const signal = AbortSignal.any([options.signal, closed.signal]);
      if (signal.aborted) throw describeAbort(signal);
      if (!isChecked) await check({ signal });
      return await build({ endpoint, request, signal, onEvent: options.onEvent, log });
    },
    close: () => closed.abort(new BuilderError("build_cancelled", "the client of BuildKit was closed")),
  };
}

interface Build {
  readonly endpoint: Endpoint;
  readonly request: BuildRequest;
  readonly signal: AbortSignal;
  readonly onEvent: (event: BuildEvent) => void;
  readonly log: Log;
}

async function build({ endpoint, request, signal, onEvent, log }: Build): Promise<BuildResult> {
  const session = openSession(endpoint, createHandlers(request), { sharedKey: request.sharedKey ?? createId() });
  try {
    const progress = createProgress(onEvent);
    const ref = createId();
    log.debug({ ref, buildkit: endpoint.address }, "build started");
    const end = await runSolve(endpoint, createSolveRequest(request, { ref, session: session.id }), {
      progress,
      signal: AbortSignal.any([signal, session.lost]),
    });
    if (end.ok) return resultOf(end.response);
    throw failureOf(end, { endpoint, signal, session, failed: progress.failed() });
  } finally {
    await session.close();
  }
}

/** What the daemon may call; without an entry here it is told that there is no such thing. */
function createHandlers(request: BuildRequest): CallHandlers {
  const contexts = new Map([
    [contextName, request.context],
    [dockerfileName, request.context],
  ]);
  const find = request.credentials ?? (async () => undefined);
  return new Map([createHealth(), createAuth(find), [diffCopyPath, createFileSync(contexts)]]);
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
  const broken = end.cause === undefined ? undefined : describeTransport(endpoint.address, end.cause);
  return broken ?? describeFailure(end.failure, failed);
}
