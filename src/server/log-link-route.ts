import { pipeline } from "node:stream/promises";
import type { Request, RequestHandler, Response } from "express";
import { BuilderError } from "../errors.ts";
import { createFollowers } from "./followers.ts";
import type { FunctionLog, LogRouteHands } from "./log-route.ts";

/*
 * The log of a function for whoever has its link. Only those who may read the repository see that, at GitHub, and they
 * see the log there, too, once the build has ended. It asks for no token, so that a browser opens it, and is plain text,
 * so that nothing that a build prints is more than that. It grows until the function has ended.
 */

export interface LogLinkHands extends Pick<LogRouteHands, "followLog" | "leaving"> {
  /** Whether a key is that of a run with such a function. */
  isKey(log: FunctionLog, key: string): Promise<boolean>;
}

const headers = {
  "Content-Type": "text/plain; charset=utf-8",
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; sandbox",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-Robots-Tag": "noindex",
  "X-Accel-Buffering": "no",
} as const;

/** Creates the handler of `GET /logs/ID/NAME?key=KEY`. */
export function createLogLinkRoute(hands: LogLinkHands): RequestHandler {
  const followers = createFollowers();
  return async (request, response) => {
    const { id: push = "", name = "" } = request.params as { id?: string; name?: string };
    const log = { push, name };
    if (!(await hands.isKey(log, String(request.query.key ?? "")))) {
      throw new BuilderError("run_unknown", "there is no such log, or not any more");
    }
    using _place = followers.take(push);
    await sendLog({ request, response }, log, hands);
  };
}

async function sendLog(
  { request, response }: { request: Request; response: Response },
  log: FunctionLog,
  { followLog, leaving }: LogLinkHands,
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  response.writeHead(200, headers).flushHeaders();
  if (request.method === "HEAD") return void response.end();
  try {
    await pipeline(followLog(log, { from: 0, signal: AbortSignal.any([leaving, gone.signal]) }), response);
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  }
}
