import { BuilderError, messageOf } from "../errors.ts";
import { cleanLine } from "../model/terminal-text.ts";
import { basicAuth } from "./git-environment.ts";

const maxText = 500;
const refMissing = /couldn't find remote ref|no such remote ref/i;
const foreign = /^fatal: detected dubious ownership in repository/;
const gone =
  /not our ref|couldn't find remote ref|no such remote ref|unadvertised object|bad object|not a valid object|needed a single revision|ambiguous/i;

/** Templates are fetched without a token. */
const templateFix = "Check the templates' address, and that everybody may read what is there.";

/**
 * Translates what git says into our words. Git repeats what its server sends, so the text is hostile: it comes out in
 * one line, without control characters, without the token in any form, and short.
 * @param goneCode the code for a commit or ref that the server does not have
 */
export function translateGitError(
  cause: unknown,
  { what, token, goneCode }: { what: string; token: string | undefined; goneCode: "commit_gone" | "template_unknown" },
): BuilderError {
  if (cause instanceof BuilderError) return cause;
  const text = cleanText(messageOf(cause), token);
  if (/spawn git ENOENT/.test(text)) {
    return new BuilderError("tool_missing", "git is not installed", {
      cause,
      fix: "Install git (apt-get install git).",
    });
  }
  const safe = new Error(text);
  if (foreign.test(text)) {
    return new BuilderError("path_forbidden", `${what} is not read: the folder belongs to another user`, {
      cause: safe,
      fix: "Change its owner (chown -R), or copy it (cp -r) and name the copy.",
    });
  }
  if (gone.test(text)) return new BuilderError(goneCode, `${what} is not there (any more): ${text}`, { cause: safe });
  return new BuilderError("checkout_failed", `${what} cannot be fetched: ${text}`, {
    cause: safe,
    ...(goneCode === "template_unknown" && { fix: templateFix }),
  });
}

/** Whether git says that there is no ref of a name. */
export function isRefMissing(text: string): boolean {
  return refMissing.test(text);
}

/** One line of printable text without secrets. */
export function cleanText(text: string, token: string | undefined): string {
  const secrets = token ? [token, basicAuth(token)] : [];
  const struck = secrets.reduce((rest, secret) => rest.replaceAll(secret, "***"), text);
  const line = struck.replaceAll(/\/\/[^/\s@]*@/g, "//***@").replaceAll(/\s+/g, " ");
  return cleanLine(line).trim().slice(0, maxText);
}
