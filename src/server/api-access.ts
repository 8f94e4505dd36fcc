import type { Request } from "express";
import { BuilderError } from "../errors.ts";
import { findGrant, type TokenGrant, type TokenScope } from "../model/api-token.ts";

/** Answers the text of the file api-tokens, read anew each time: "" where there is none. */
export type ReadTokens = () => Promise<string>;

/**
 * Lets in who brings a token with a scope: `Authorization: Bearer TOKEN`.
 * @throws BuilderError `not_configured`, `token_missing`, `token_wrong`, `token_scope`
 */
export async function checkAccess(
  request: Request,
  { scope, readTokens }: { scope: TokenScope; readTokens: ReadTokens },
): Promise<TokenGrant> {
  const text = await readTokens();
  if (text.trim() === "") {
    throw new BuilderError("not_configured", "this server has no tokens for its API", {
      fix: "Make one with of-builder token.",
    });
  }
  const { authorization } = request.headers;
  if (authorization === undefined) throw new BuilderError("token_missing", "the request brings no token");
  const token = /^bearer +(\S+)$/i.exec(authorization)?.[1];
  const grant = token === undefined ? undefined : findGrant(text, token);
  if (!grant) throw new BuilderError("token_wrong", "the token is none of this server's");
  if (grant.scopes.includes(scope)) return grant;
  throw new BuilderError("token_scope", `the token "${grant.name}" is not good for this: it takes the scope ${scope}`);
}
