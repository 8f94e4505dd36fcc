/*
 * A client of BuildKit for Dockerfile builds: the daemon is spoken to over gRPC, the build's context and credentials
 * lie on this side and are asked for through a session. It knows nothing of what the images are for.
 */
import { BuilderError } from "../errors.ts";
import type { BuildEvent } from "../model/build-event.ts";
import { parseAddress } from "./address.ts";
import { describeAbort } from "./call-error.ts";
import { askVersion, checkVersion } from "./daemon-version.ts";
import { joinSignals } from "./joined-signal.ts";
import { type BuildResult, type ClientLog, runOneBuild } from "./one-build.ts";
import type { BuildRequest } from "./solve-request.ts";
import type { TlsFiles } from "./tls-files.ts";

export interface Buildkit {
  /**
   * Runs one build, with a session of its own.
   * @param options.signal cancels it; the promise then rejects when its containers are gone
   * @param options.onEvent hears of each step, its progress and what it prints, in order
   * @throws BuilderError `build_failed` with the place in the Dockerfile (`location`) and the lines of all places that
   *   BuildKit tells (`faults`), `build_cancelled`, `buildkit_unreachable`, `buildkit_refused`, `registry_unreachable`,
   *   `registry_denied`, `option_forbidden`, `limit_exceeded`, `output_failed`, or what the context threw
   */
  build(
    request: BuildRequest,
    options: { signal: AbortSignal; onEvent: (event: BuildEvent) => void },
  ): Promise<BuildResult>;
  /**
   * Asks the daemon for its version.
   * @throws BuilderError `buildkit_unreachable` (also after 6 s of silence), `buildkit_refused` where it is too old
   */
  check(options: { signal: AbortSignal }): Promise<{ readonly version: string }>;
  /** Ends the client: builds that still run are cancelled. */
  close(): void;
}

export interface BuildkitOptions {
  /** "tcp://HOST:PORT", "unix:///PATH" or "docker:///PATH": see parseAddress. */
  readonly address: string;
  /** Makes connections over TCP speak TLS. */
  readonly tls?: TlsFiles | undefined;
  /** Accepts a daemon that is older than the security floor. */
  readonly force?: boolean;
  /** After so much silence of the daemon a build on it is lost; 60 s where absent. It is heard of every 5 s at least. */
  readonly maxSilenceMs?: number;
  /** Says nothing where absent. */
  readonly log?: ClientLog;
}

const silent: ClientLog = { debug() {}, info() {}, warn() {} };

/**
 * Creates a client. Nothing is connected yet.
 * @throws BuilderError `setting_invalid` where the address is none
 */
export function createBuildkit({ address, tls, force = false, maxSilenceMs, log = silent }: BuildkitOptions): Buildkit {
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
      using joined = joinSignals([options.signal, closed.signal]);
      const { signal } = joined;
      if (signal.aborted) throw describeAbort(signal);
      if (!isChecked) await check({ signal });
      return await runOneBuild({ endpoint, request, signal, onEvent: options.onEvent, maxSilenceMs, log });
    },
    close: () => closed.abort(new BuilderError("build_cancelled", "the client of BuildKit was closed")),
  };
}
