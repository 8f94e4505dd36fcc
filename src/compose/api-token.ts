import { randomBytes } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BuilderError, messageOf } from "../errors.ts";
import { isGrant, type TokenGrant, tokenLine, tokenNames } from "../model/api-token.ts";
import { readTokens } from "./api.ts";

/**
 * Makes a token of the API: the secrets' folder gets a line with its hash.
 * @returns the token, which is nowhere else, and the file
 * @throws BuilderError `usage` for a name that is taken or none, `setting_invalid` where the file cannot be written
 */
export async function createApiToken(folder: string, grant: TokenGrant): Promise<{ token: string; file: string }> {
  if (!isGrant(grant)) {
    throw new BuilderError(
      "usage",
      `"${grant.name}" for "${grant.owner ?? "*"}" is no token: expected letters, digits, ".", "-" and "_"`,
    );
  }
  const file = join(folder, "api-tokens");
  const known = await readTokens(folder);
  if (tokenNames(known).includes(grant.name)) {
    throw new BuilderError("usage", `there is a token "${grant.name}" in ${file}`, {
      fix: "Take another name, or delete its line.",
    });
  }
  const token = `ofb_${randomBytes(32).toString("base64url")}`;
  const gap = known === "" || known.endsWith("\n") ? "" : "\n";
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const part = `${file}.${process.pid}.part`;
    await writeFile(part, `${known}${gap}${tokenLine(token, grant)}\n`, { mode: 0o600 });
    await rename(part, file);
  } catch (cause) {
    throw new BuilderError("setting_invalid", `cannot write ${file}: ${messageOf(cause)}`, { cause });
  }
  return { token, file };
}
