import { BuilderError, messageOf } from "../errors.ts";
import type { Quota, Written } from "../model/report-turn.ts";
import { isLimit, isRequestError, type RequestError } from "./github-error.ts";

type Headers = Readonly<Record<string, unknown>>;

const maxReason = 300;

/**
 * What GitHub says of the hour's quota. Its limits differ by installation; GitHub Enterprise Server has none by default
 * and says nothing.
 */
export function quotaOf(headers: Headers): { quota: Quota } | undefined {
  const [left, resetsAt] = [headers["x-ratelimit-remaining"], headers["x-ratelimit-reset"]].map(wholeNumber);
  return left === undefined || resetsAt === undefined ? undefined : { quota: { left, resetsAtMs: resetsAt * 1000 } };
}

/**
 * What an error of a write amounts to.
 * @param write.isNew whether GitHub has shown nothing of the report yet
 * @param write.isBare whether the write had no page, only a state
 * @throws the error, where it is a bug
 */
export function writtenOfError(
  error: unknown,
  write: { way: "check" | "status"; isNew: boolean; isBare: boolean },
): Written {
  const reason = messageOf(error)
    .replaceAll(/\p{Cc}+/gu, " ")
    .slice(0, maxReason);
  if (error instanceof BuilderError) return writtenOfToken(error, reason, write);
  // Nobody knows what became of a request without an answer.
  if (isTimeout(error)) return { kind: "failed", uncertain: true, reason };
  if (!isRequestError(error)) throw error;
  if (isLimit(error)) return { kind: "paused", untilMs: pauseEnd(error), reason };
  if (!error.response || error.status >= 500 || error.status === 408)
    return { kind: "failed", uncertain: true, reason };
  if (write.way === "check" && isForbidden(error)) return { kind: "unpermitted", whole: true, reason };
  if (write.way === "check" && write.isNew && error.status === 404)
    return { kind: "unpermitted", whole: false, reason };
  // An end that is not shown at all looks as if it never came.
  if (write.way === "check" && error.status === 422 && !write.isBare) return { kind: "unfit", reason };
  return { kind: "refused", reason };
}

/** No token, so nothing was written. A key that is wrong may be corrected while the report waits. */
function writtenOfToken(error: BuilderError, reason: string, { way }: { way: "check" | "status" }): Written {
  const { cause } = error;
  if (isRequestError(cause) && isLimit(cause)) return { kind: "paused", untilMs: pauseEnd(cause), reason };
  if (error.code !== "github_refused") return { kind: "failed", uncertain: false, reason };
  const isUngranted = isRequestError(cause) && [403, 422].includes(cause.status) && /permission/i.test(cause.message);
  return way === "check" && isUngranted ? { kind: "unpermitted", whole: true, reason } : { kind: "refused", reason };
}

/** Unix milliseconds until which GitHub wants no request; undefined where it does not say. */
function pauseEnd({ response }: RequestError): number | undefined {
  const headers = response?.headers ?? {};
  const seconds = wholeNumber(headers["retry-after"]);
  if (seconds !== undefined) return Date.now() + seconds * 1000;
  return headers["x-ratelimit-remaining"] === "0" ? quotaOf(headers)?.quota.resetsAtMs : undefined;
}

function isForbidden({ status, message }: RequestError): boolean {
  return status === 403 && /not accessible by integration/i.test(message);
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && ["AbortError", "TimeoutError"].includes(error.name);
}

function wholeNumber(value: unknown): number | undefined {
  return (typeof value === "string" || typeof value === "number") && /^\d{1,15}$/.test(String(value))
    ? Number(value)
    : undefined;
}
