import type { RequestHandler } from "express";

/** A door that is shut once a signal has aborted, with its reason. */
export function refusedOnce(signal: AbortSignal, door: RequestHandler): RequestHandler {
  return (request, response, next) => {
    signal.throwIfAborted();
    return door(request, response, next);
  };
}
