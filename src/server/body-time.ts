import type { RequestHandler } from "express";
import { BuilderError } from "../errors.ts";

/**
 * A door that waits only so long for a request's body. Whoever sends it byte by byte would otherwise keep a connection
 * for as long as the largest tar may take.
 */
export function bodyWithin(limitMs: number, door: RequestHandler): RequestHandler {
  return (request, response, next) => {
    const giveUp = () => {
      if (response.headersSent) return void request.destroy();
      response.once("finish", () => request.destroy());
      response.set("Connection", "close");
      next(new BuilderError("body_slow", `the body did not arrive within ${limitMs / 1000} s`));
    };
    const timer = setTimeout(giveUp, limitMs);
    for (const over of ["end", "close"]) request.once(over, () => clearTimeout(timer));
    return door(request, response, next);
  };
}
