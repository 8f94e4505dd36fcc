import { AuthService } from "./generated/session.ts";
import { type CallHandler, unary } from "./session-calls.ts";

/** Finds what to sign in with at a registry ("HOST" or "HOST:PORT" as in the image's name); undefined: nobody. */
export type FindCredentials = (host: string) => Promise<{ username: string; password: string } | undefined>;

/**
 * Answers the daemon's question for credentials. Its other way, to let us fetch tokens, is not offered; it then
 * asks here and fetches them itself.
 */
export function createAuth(find: FindCredentials): [path: string, handler: CallHandler] {
  const method = AuthService.credentials;
  const handler = unary(method, async ({ host }) => {
    const found = await find(host);
    return { username: found?.username ?? "", secret: found?.password ?? "" };
  });
  return [method.path, handler];
}
