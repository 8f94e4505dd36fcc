import { BuilderError, type ErrorCode } from "../errors.ts";

/** How a request ended, as far as its status goes. */
type Ending = { readonly state: "success" } | { readonly state: "failed" | "refused"; readonly error: unknown };

/** What the Go programs said where our words are others. What is not here is told in ours. */
const texts: Partial<Record<ErrorCode, string>> = {
  signature_missing: "invalid encodedHash, should have at least 5 characters",
  signature_wrong: "invalid message digest or secret",
  too_busy: "Concurrent request limit exceeded.",
};

/**
 * The status code and text of OpenFaaS Cloud's of-builder (2018 to 2021): 200 or 500, nothing else, and errors behind
 * "unexpected failure: " before a build, "failure: failed to solve: " in one.
 */
export function legacyStatusOf(end: Ending): { code: number; status: string } {
  if (end.state === "success") return { code: 200, status: "success" };
  const known = end.error instanceof BuilderError ? end.error : undefined;
  const message = known === undefined ? "of-builder failed: see its log" : (texts[known.code] ?? known.message);
  return {
    code: 500,
    status: end.state === "refused" ? `unexpected failure: ${message}` : `failure: failed to solve: ${message}`,
  };
}
