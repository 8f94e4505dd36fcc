import express, { type ErrorRequestHandler, type Express, type RequestHandler } from "express";
import { BuilderError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { addHealthRoutes, type HealthHands } from "./health-routes.ts";
import { createOpenApi } from "./openapi.ts";

export interface AppHands extends HealthHands {
  /** Serves `POST /github-event` and its alias `/webhook`. */
  readonly webhook: RequestHandler;
  /** Serves `POST /build`. */
  readonly build: RequestHandler;
  /** Serves `GET /publickey` and its alias `/public-key`. */
  readonly publicKey: RequestHandler;
  /** Serves what is below /api. */
  readonly api: RequestHandler;
  /** Serves `GET /logs/ID/NAME`. */
  readonly logLink: RequestHandler;
  readonly log: Log;
}

/** Creates the HTTP surface. Every answer but /healthz is JSON, errors too: `{error, fix}`. */
export function createApp({ webhook, build, publicKey, api, logLink, log, ...health }: AppHands): Express {
  const app = express().disable("x-powered-by").disable("etag");
  addHealthRoutes(app, health);
  app.post(["/github-event", "/webhook"], webhook);
  app.post("/build", build);
  app.get(["/publickey", "/public-key"], publicKey);
  app.use("/api", api);
  app.get("/logs/:id/:name", logLink);
  const openApi = createOpenApi();
  app.get("/openapi.json", (_request, response) => {
    response.json(openApi);
  });
  for (const [path, methods] of Object.entries(allowed))
    app.all(path.replaceAll(/\{(\w+)\}/g, ":$1"), refuseMethod(methods));
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
  "/api/pushes": "GET, HEAD",
  "/api/pushes/{id}": "GET, HEAD",
  "/api/pushes/{id}/functions/{name}/log": "GET, HEAD",
  "/api/pushes/{id}/cancel": "POST",
  "/api/pushes/{id}/rebuild": "POST",
  "/logs/{id}/{name}": "GET, HEAD",
  "/healthz": "GET",
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
