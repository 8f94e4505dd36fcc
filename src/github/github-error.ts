import { BuilderError } from "../errors.ts";

const maxText = 300;

/** Octokit's RequestError; `response` is absent when none arrived. */
export interface RequestError extends Error {
  readonly status: number;
  readonly response?: { readonly headers: Readonly<Record<string, unknown>> };
}

/**
 * Runs a conversation with GitHub, and translates its faults where they enter.
 * @param what what is being done, for the message
 * @throws BuilderError `github_failed` when the same may succeed later (GitHub down, slow, or asking for a pause),
 *   `github_refused` when it will not; what is no answer of GitHub stays as it is
 */
export async function speaking<T>(what: string, conversation: () => Promise<T>): Promise<T> {
  try {
    return await conversation();
  } catch (error) {
    throw isRequestError(error) ? translate(what, error) : error;
  }
}

/** True when GitHub did not know the token that a request came with. */
export function isUnauthorized(error: unknown): boolean {
  return isRequestError(error) && error.status === 401;
}

function translate(what: string, error: RequestError): BuilderError {
  const text = error.message.replaceAll(/\p{Cc}+/gu, " ").slice(0, maxText);
  if (!error.response) {
    return new BuilderError("github_failed", `GitHub cannot be reached to ${what}: ${text}`, { cause: error });
  }
  const code = isPassing(error) ? "github_failed" : "github_refused";
  return new BuilderError(code, `GitHub answered ${error.status} when asked to ${what}: ${text}`, { cause: error });
}

function isPassing(error: RequestError): boolean {
  return error.status >= 500 || error.status === 408 || isLimit(error);
}

/** True where GitHub asks for a pause: of the hour's quota, or one of its secondary limits. */
export function isLimit({ status, message, response }: RequestError): boolean {
  const headers = response?.headers ?? {};
  const limited = headers["x-ratelimit-remaining"] === "0" || "retry-after" in headers;
  return status === 429 || (status === 403 && (limited || /rate limit/i.test(message)));
}

/** True for an answer of GitHub that is an error, and for a request that got none. */
export function isRequestError(error: unknown): error is RequestError {
  return error instanceof Error && error.name === "HttpError" && "status" in error;
}
