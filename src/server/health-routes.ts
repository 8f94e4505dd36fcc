import express, { type Express, type RequestHandler } from "express";

export interface HealthHands {
  /** Serves `GET /metrics`. */
  readonly metrics: RequestHandler;
  /** What every part says of itself: "" when it is well, else what is wrong. */
  parts(options: { signal: AbortSignal }): Promise<Readonly<Record<string, string>>>;
}

const readyTimeoutMs = 5000;

/**
 * Serves what tells machines how a process does: /healthz while it lives, /ready while it can work, /metrics. /healthz
 * answers as it does since 2018: GET with OK and no line end, everything else, HEAD too, with an empty 405.
 */
export function addHealthRoutes(app: Express, { metrics, parts }: HealthHands): void {
  app.all("/healthz", (request, response) => {
    if (request.method === "GET") response.type("text/plain").send("OK");
    else response.status(405).set("Allow", "GET").end();
  });
  app.get("/ready", async (_request, response) => {
    const told = await parts({ signal: AbortSignal.timeout(readyTimeoutMs) });
    const ready = Object.values(told).every((fault) => fault === "");
    response
      .status(ready ? 200 : 503)
      .json({ ready, parts: Object.fromEntries(Object.entries(told).map(([name, fault]) => [name, fault || "ok"])) });
  });
  app.get("/metrics", metrics);
}

/** Creates the HTTP surface of a process that serves nobody else. */
export function createHealthApp(hands: HealthHands): Express {
  const app = express().disable("x-powered-by").disable("etag");
  addHealthRoutes(app, hands);
  app.use((request, response) => {
    response.status(404).json({ error: `there is no ${request.path}`, fix: "Paths: /healthz, /ready, /metrics" });
  });
  return app;
}
