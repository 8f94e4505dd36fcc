import express from "express";

/** The peer of the intake: Express, and a handler that answers 202 and does nothing. Says its port, and serves. */
const app = express().disable("x-powered-by").disable("etag");
app.post("/github-event", (_request, response) => {
  response.status(202).json({ accepted: true });
});
const server = app.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.stdout.write(`${typeof address === "object" ? address?.port : ""}\n`);
});
