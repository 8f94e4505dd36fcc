import { createAppAuth } from "@octokit/auth-app";
import { retry } from "@octokit/plugin-retry";
import { throttling } from "@octokit/plugin-throttling";
import { Octokit } from "@octokit/rest";
import type { Log } from "../log.ts";
import { fetchFollowing } from "./redirects.ts";

/** A longer wait that GitHub asks for is left to whoever can wait for hours. */
const maxWaitSeconds = 120;
const attemptsAfterLimit = 2;
/** Every rate limit, and faults of the request itself, are not for the retry plugin. */
const finalStatuses = [400, 401, 403, 404, 410, 422, 429, 451];

const PatientOctokit = Octokit.plugin(retry, throttling);

export interface OctokitOptions {
  readonly apiUrl: string;
  readonly log: Log;
  /** Limit of one attempt, in milliseconds. */
  readonly attemptMs: number;
  /** Unit of waiting before a further attempt, in milliseconds: 1 s, but less in tests. */
  readonly backoffMs: number;
}

/**
 * Creates the client that an App speaks for itself with. It tries again by itself: twice when GitHub fails or cannot be
 * reached, and after the wait that a rate limit asks for, when that is short.
 * @param app whose JWT is sent; absent: nobody's, and each request brings its own authorization
 */
export function createOctokit(
  { apiUrl, log, attemptMs, backoffMs }: OctokitOptions,
  app?: { appId: string; privateKey: string },
): Octokit {
  const onLimit = (...[retryAfter, { method, url }, , count]: LimitTold) => {
    log.warn({ method, url, retryAfter }, "GitHub asks for a pause");
    return count < attemptsAfterLimit && retryAfter <= maxWaitSeconds;
  };
  return new PatientOctokit({
    baseUrl: apiUrl.replace(/\/+$/, ""),
    userAgent: "of-builder",
    ...(app && { authStrategy: createAppAuth, auth: app }),
    log: quiet(log),
    request: { fetch: boundedFetch(attemptMs) },
    retry: { doNotRetry: finalStatuses, retries: 2, retryAfterBaseValue: backoffMs },
    throttle: {
      // The plugin's own pace is one write a second, also for the first; ours is kept before a request (write-pace.ts).
      write: unpaced as never,
      retryAfterBaseValue: backoffMs,
      onRateLimit: onLimit,
      onSecondaryRateLimit: onLimit,
    },
  });
}

/** Creates a client that tries once: for whoever has a queue of its own. Each request brings its own authorization. */
export function createImpatientOctokit({
  apiUrl,
  log,
  attemptMs,
}: Pick<OctokitOptions, "apiUrl" | "log" | "attemptMs">): Octokit {
  return new Octokit({
    baseUrl: apiUrl.replace(/\/+$/, ""),
    userAgent: "of-builder",
    log: quiet(log),
    request: { fetch: boundedFetch(attemptMs) },
  });
}

type LimitTold = [retryAfter: number, request: { method: string; url: string }, octokit: unknown, count: number];

const unpaced = { key: () => ({ schedule: <T>(_options: object, work: () => T) => work() }) };

function boundedFetch(attemptMs: number): typeof fetch {
  return (input, init) => {
    const limit = AbortSignal.timeout(attemptMs);
    const signal = init?.signal ? AbortSignal.any([init.signal, limit]) : limit;
    return fetchFollowing(input, { ...init, signal });
  };
}

/** Octokit tells of every request; warnings and errors are enough. It takes "not modified", which we ask for, as one. */
function quiet(log: Log) {
  const tell = (message: string) => {
    if (!message.includes(" - 304 ")) log.warn({}, message);
  };
  return { debug() {}, info() {}, warn: tell, error: tell };
}
