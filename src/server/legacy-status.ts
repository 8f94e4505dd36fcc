import { BuilderError, type ErrorCode } from "../errors.ts";

/*
 * What OpenFaaS Cloud's of-builder answered: 200 or 500, nothing else. Until 0.4 (2018) the body was text: the image's
 * name as it was given, or the error. From 0.5 (to 2021) it was JSON, whose status was "success", or the error behind
 * "unexpected failure: " before a build, behind "failure: failed to solve: " in one.
 */

/** The forms of its answers. */
export type LegacyForm = "text" | "json";

/** How a request ended. */
type Ending =
  | { readonly state: "success"; readonly image: string }
  | { readonly state: "failed" | "refused"; readonly error: unknown };

/** The status code, and the text that is the body, or the status in its JSON. */
export function legacyStatusOf(end: Ending, form: LegacyForm): { code: number; status: string } {
  if (end.state === "success") return { code: 200, status: form === "text" ? end.image : "success" };
  const words = oldWords(end.error, form);
  const inSolve = `failed to solve: ${words}`;
  if (isBeforeSolve(end)) return { code: 500, status: form === "text" ? words : `unexpected failure: ${words}` };
  return { code: 500, status: form === "text" ? inSolve : `failure: ${inSolve}` };
}

/** A BuildKit that does not answer was noticed before there was a build. */
export function isBeforeSolve(end: Ending): boolean {
  if (end.state !== "failed") return end.state === "refused";
  return end.error instanceof BuilderError && end.error.code === "buildkit_unreachable";
}

interface OldWords {
  readonly code: ErrorCode;
  /** What our message has to look like. */
  readonly like: RegExp;
  words(found: readonly string[], form: LegacyForm): string;
}

const tooShort = "invalid encodedHash, should have at least 5 characters";

/** What the Go programs said where our words are others. What is not here is told in ours. */
const table: readonly OldWords[] = [
  { code: "signature_missing", like: /^/, words: () => tooShort },
  { code: "signature_wrong", like: /is too short/, words: () => tooShort },
  {
    code: "signature_wrong",
    like: /begins with "(.*?)":/,
    words: ([begin = ""]) => `unexpected hashing method: ${begin.slice(0, 5)}`,
  },
  { code: "signature_wrong", like: /^/, words: () => "invalid message digest or secret" },
  {
    code: "setting_invalid",
    like: /^(.*payload.secret.*)$/s,
    words: ([said = ""]) => `couldn't get payload-secret: ${said}`,
  },
  { code: "too_busy", like: /^/, words: () => "Concurrent request limit exceeded." },
  { code: "body_invalid", like: /body is empty/, words: (_, form) => missing(form) },
  { code: "tar_invalid", like: /has no file/, words: (_, form) => missing(form) },
  {
    code: "tar_invalid",
    like: / is of type "(.)":/,
    words: ([type = ""]) => `unhandled tar header type ${type.charCodeAt(0)}`,
  },
  { code: "tar_invalid", like: /without its end mark|is cut off/, words: () => "unexpected EOF" },
  { code: "tar_invalid", like: /checksum/, words: () => "archive/tar: invalid tar header" },
  {
    code: "buildkit_unreachable",
    like: /BuildKit at "(.*?)"/,
    words: ([address = ""]) =>
      `failed to dial "${address}" . make sure buildkitd is running: context deadline exceeded`,
  },
];

function missing(form: LegacyForm): string {
  const name = form === "text" ? "config" : "com.openfaas.docker.config";
  return `open ${name}: no such file or directory`;
}

function oldWords(error: unknown, form: LegacyForm): string {
  if (!(error instanceof BuilderError)) return "of-builder failed: see its log";
  for (const { code, like, words } of table) {
    const found = code === error.code ? like.exec(error.message) : null;
    if (found) return words(found.slice(1), form);
  }
  return error.message;
}
