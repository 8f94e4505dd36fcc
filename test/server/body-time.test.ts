import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import express from "express";
import { expect, onTestFinished, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { createLog } from "../../src/log.ts";
import { bodyWithin } from "../../src/server/body-time.ts";
import { listen } from "../../src/server/listen.ts";
import { createWebhookRoute } from "../../src/server/webhook-route.ts";
import { plainPolicy } from "../github/reading.ts";
import { examplesOf, signDelivery } from "../github-server/deliveries.ts";

const secret = "s3cret";

/** The webhook behind a door that waits only so long for a body. */
async function scene(limitMs: number) {
  const stored: string[] = [];
  const route = createWebhookRoute({
    secrets: async () => [secret],
    rules: { policy: plainPolicy },
    store: async ({ guid }) => {
      stored.push(guid);
      return "new";
    },
    log: createLog("silent"),
  });
  const app = express().post("/github-event", bodyWithin(limitMs, route));
  // biome-ignore lint/complexity/useMaxParams: Express knows an error handler by its four parameters.
  app.use(((error, _request, response, next) => {
    if (response.headersSent) return next(error);
    response.status(error instanceof BuilderError ? error.http : 500).end();
  }) satisfies express.ErrorRequestHandler);
  const listening = await listen(app, { host: "127.0.0.1", port: 0 });
  onTestFinished(() => listening.close({ limitMs: 0 }));
  return { url: listening.url, stored };
}

/** A request of the webhook, as its head and its body. */
function requestOf() {
  const { headers, body } = signDelivery(examplesOf("push")[0], { secret, guid: randomUUID() });
  const all = { host: "x", ...headers, "content-length": body.length };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return { head: `POST /github-event HTTP/1.1\r\n${lines.join("")}\r\n`, body };
}

test("W7 whoever sends a body byte by byte is given up, and keeps no connection", async () => {
  const { url, stored } = await scene(100);
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  const { head, body } = requestOf();
  socket.write(head);
  let sent = 0;
  const drip = setInterval(() => socket.write(body.subarray(sent, ++sent)), 10);
  socket.on("error", () => {});
  const answer = await text(socket);
  clearInterval(drip);
  expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  expect(stored).toEqual([]);
});

test("W7 a body that comes in time is taken", async () => {
  const { url, stored } = await scene(60_000);
  const { head, body } = requestOf();
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.write(head);
  socket.end(body);
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 202 /);
  expect(stored).toHaveLength(1);
});
