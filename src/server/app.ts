import express, { type ErrorRequestHandler, type Express, type RequestHandler } from "express";
import { BuilderError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { createOpenApi } from "./openapi.ts";

export interface AppHands {
  /** Serves `POST /github-event` and its alias `/webhook`. */
  readonly webhook: RequestHandler;
  /** Serves `POST /build`. */
  readonly build: RequestHandler;
  /** Serves `GET /publickey` and its alias `/public-key`. */
  readonly publicKey: RequestHandler;
  /** Serves `GET /metrics`. */
  readonly metrics: RequestHandler;
  /** What every part says of itself: "" when it is well, else what is wrong. */
  parts(options: { signal: AbortSignal }): Promise<Readonly<Record<string, string>>>;
  readonly log: Log;
}

const readyTimeoutMs = 5000;

/** Creates the HTTP surface. Every answer but /healthz is JSON, errors too: `{error, fix}`. */
export function createApp({ webhook, build, publicKey, metrics, parts, log }: AppHands): Express {
  const app = express().disable("x-powered-by").disable("etag");
  app.get("/healthz", (_request, response) => {
    response.type("text/plain").send("OK");
  });
  app.get("/ready", async (_request, response) => {
    const told = await parts({ signal: AbortSignal.timeout(readyTimeoutMs) });
    const ready = Object.values(told).every((fault) => fault === "");
    response
      .status(ready ? 200 : 503)
      .json({ ready, parts: Object.fromEntries(Object.entries(told).map(([name, fault]) => [name, fault || "ok"])) });
  });
  app.post(["/github-event", "/webhook"], webhook);
  app.post("/build", build);
  app.get(["/publickey", "/public-key"], publicKey);
  app.get("/metrics", metrics);
  const openApi = createOpenApi();
  app.get("/openapi.json", (_request, response) => {
    response.json(openApi);
  });
  for (const [path, methods] of Object.entries(allowed)) app.all(path, refuseMethod(methods));
  app.use((request, response) => {
    response
      .status(404)
      .json({ error: `there is no ${request.path}`, fix: `Paths: ${Object.keys(allowed).join(", ")}` });
  });
  app.use(answerError(log));
  return app;
}

const allowed = {
  "/build": "POST",
  "/github-event": "POST",
  "/webhook": "POST",
  "/publickey": "GET, HEAD",
  "/public-key": "GET, HEAD",
  "/healthz": "GET, HEAD",
  "/metrics": "GET, HEAD",
  "/ready": "GET, HEAD",
  "/openapi.json": "GET, HEAD",
} as const;

function refuseMethod(methods: string): RequestHandler {
  return (request, response) => {
    response
      .status(405)
      .set("Allow", methods)
      .json({ error: `${request.method} ${request.path} is not served`, fix: `Methods: ${methods}` });
  };
}

/** Known faults are told; of a bug only that there is one. */
function answerError(log: Log): ErrorRequestHandler {
  // biome-ignore lint/complexity/useMaxParams: Express knows an error handler by its four parameters.
  return (error, request, response, next) => {
    if (response.headersSent) return next(error);
    if (error instanceof BuilderError) {
      response.status(error.http).json({ error: error.message, fix: error.fix });
      return;
    }
    log.error({ err: error, path: request.path }, `bug: ${messageOf(error)}`);
    response.status(500).json({ error: "of-builder failed", fix: "See the log of of-builder." });
  };
}
