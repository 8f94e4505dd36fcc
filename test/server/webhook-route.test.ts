import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import express from "express";
import { expect, onTestFinished, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { createLog, type Log } from "../../src/log.ts";
import type { Delivery } from "../../src/model/delivery.ts";
import { listen } from "../../src/server/listen.ts";
import { createWebhookRoute, type WebhookHands } from "../../src/server/webhook-route.ts";
import { plainPolicy } from "../github/reading.ts";
import { examplesOf, signDelivery } from "../github-server/deliveries.ts";

const secret = "s3cret";
const pushes = examplesOf("push").filter(({ ref }) => ref === "refs/heads/master");

interface Scene {
  readonly url: string;
  readonly stored: { delivery: Delivery; body: Buffer }[];
  /** Posts a delivery; what is given replaces what GitHub would send. */
  post(change?: { body?: Buffer; headers?: Record<string, string>; path?: string }): Promise<Answer>;
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function scene(hands: Partial<WebhookHands> = {}): Promise<Scene> {
  const stored: Scene["stored"] = [];
  const store = async (delivery: Delivery, body: Buffer) => {
    const known = stored.some(({ delivery: { guid } }) => guid === delivery.guid);
    if (!known) stored.push({ delivery, body });
    return known ? "duplicate" : "new";
  };
  const route = createWebhookRoute({
    secrets: async () => [secret],
    rules: { policy: plainPolicy },
    store,
    log: createLog("silent"),
    ...hands,
  });
  const app = express().post(["/github-event", "/webhook"], route);
  // biome-ignore lint/complexity/useMaxParams: Express knows an error handler by its four parameters.
  app.use(((error, _request, response, _next) => {
    const { http, code, message, fix } =
      error instanceof BuilderError ? error : { http: 500, code: "bug", message: String(error), fix: "" };
    response.status(http).json({ code, message, fix });
  }) satisfies express.ErrorRequestHandler);
  const { url, close } = await listen(app, { host: "127.0.0.1", port: 0 });
  onTestFinished(() => close({ limitMs: 0 }));
  return {
    url,
    stored,
    async post({ body, headers, path = "/github-event" } = {}) {
      const signed = signDelivery(body ?? pushes[0], { secret, guid: randomUUID() });
      const response = await fetch(url + path, {
        method: "POST",
        headers: { ...signed.headers, ...headers },
        body: new Uint8Array(signed.body),
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
  };
}

test.for(["/github-event", "/webhook"])(
  "%s stores a push with the bytes that were signed, and says so",
  async (path) => {
    const { post, stored } = await scene();
    const body = Buffer.from(JSON.stringify(pushes[0], null, 3));
    const answer = await post({ path, body });
    expect(answer).toEqual({
      status: 202,
      body: {
        delivery: stored[0]?.delivery.guid,
        event: "push",
        accepted: true,
        message: "Codertocat/Hello-World at 6113728 of branch master will be built",
      },
    });
    expect(stored).toHaveLength(1);
    expect(stored[0]?.body.equals(body)).toBe(true);
  },
);

const examples = ["push", "ping", "installation", "check_run", "check_suite", "pull_request"].flatMap((event) =>
  examplesOf(event).map((example, index) => ({ event, index, example })),
);

test.for(examples)("GitHub's example $event $index is answered with 202 and stored", async ({ event, example }) => {
  const { post, stored } = await scene();
  const body = Buffer.from(JSON.stringify(example));
  const answer = await post({ body, headers: { "x-github-event": event } });
  const accepted = ["push", "ping"].includes(event) ? example.ref === "refs/heads/master" : expect.any(Boolean);
  expect(answer).toMatchObject({ status: 202, body: { event, accepted, message: expect.stringMatching(/./) } });
  expect(stored).toHaveLength(1);
});

test("W9 the same delivery twice is known the second time", async () => {
  const { post, stored } = await scene();
  const headers = { "x-github-delivery": randomUUID() };
  await post({ headers });
  const again = await post({ headers });
  expect(again).toMatchObject({
    status: 202,
    body: { accepted: true, message: expect.stringMatching(/^this delivery was accepted before/) },
  });
  expect(stored).toHaveLength(1);
});

test("a push to another branch is stored, and the answer says why it is not built", async () => {
  const { post, stored } = await scene({
    rules: { policy: { ...plainPolicy, branches: [{ glob: "main", environment: "" }] } },
  });
  const message = "skipping build for: refs/heads/master branch, the build branch is: main";
  expect(await post()).toMatchObject({ status: 202, body: { accepted: false, message } });
  expect(stored[0]?.delivery.decision).toMatchObject({ kind: "push", skip: message });
});

test("who is no customer is told, and is built as soon as he is one", async () => {
  const owners = new Set<string>();
  const { post } = await scene({
    rules: { policy: plainPolicy, customers: async (owner) => owners.has(owner.toLowerCase()) },
  });
  expect(await post()).toMatchObject({
    status: 202,
    body: { accepted: false, message: expect.stringMatching(/not found in customers/) },
  });
  owners.add("codertocat");
  expect(await post()).toMatchObject({ status: 202, body: { accepted: true } });
});

const refusals: readonly (readonly [string, number, string, Record<string, string>, Buffer?])[] = [
  ["W1 no signature", 401, "signature_missing", { "x-hub-signature-256": "" }],
  ["W1 a wrong signature", 401, "signature_wrong", { "x-hub-signature-256": `sha256=${"0".repeat(64)}` }],
  [
    "W1 a signature by SHA-1 only",
    401,
    "signature_missing",
    { "x-hub-signature-256": "", "x-hub-signature": "sha1=0" },
  ],
  ["W4 a form", 400, "body_invalid", { "content-type": "application/x-www-form-urlencoded" }],
  ["W5 a compressed body", 400, "body_invalid", { "content-encoding": "gzip" }, gzipSync("{}")],
  ["no JSON", 400, "body_invalid", {}, Buffer.from("<xml/>")],
  ["W10 a body that is not its event's", 400, "body_invalid", {}, Buffer.from("{}")],
  ["a delivery without a GUID", 400, "body_invalid", { "x-github-delivery": "" }],
  ["a delivery without an event", 400, "body_invalid", { "x-github-event": "" }],
];

test.for(refusals)("%s is answered with %i, and nothing is stored", async ([, status, code, headers, body]) => {
  const { post, stored } = await scene();
  const answer = await post({ headers, ...(body && { body }) });
  expect(answer).toMatchObject({ status, body: { code, fix: expect.stringMatching(/./) } });
  expect(stored).toEqual([]);
});

test("W4 a form is told what to set", async () => {
  const { post } = await scene();
  const { body } = await post({ headers: { "content-type": "application/x-www-form-urlencoded" } });
  expect(body.fix).toBe("Set the webhook's content type to application/json.");
});

test("an unsigned delivery learns nothing about its other faults", async () => {
  const { post } = await scene();
  const headers = { "x-hub-signature-256": `sha256=${"0".repeat(64)}`, "x-github-event": "", "x-github-delivery": "" };
  expect(await post({ headers, body: Buffer.from("no json") })).toMatchObject({ status: 401 });
});

test("an empty body is verified as such", async () => {
  const { post } = await scene();
  expect(await post({ body: Buffer.alloc(0) })).toMatchObject({ status: 400, body: { code: "body_invalid" } });
  const headers = { "x-hub-signature-256": `sha256=${"0".repeat(64)}` };
  expect(await post({ body: Buffer.alloc(0), headers })).toMatchObject({ status: 401 });
});

test("a body of 25 MiB is taken", async () => {
  const { post, stored } = await scene();
  const frame = JSON.stringify({ ...pushes[0], filler: "" });
  const body = Buffer.from(frame.replace('"filler":""', `"filler":"${"x".repeat(25 * 1024 * 1024 - frame.length)}"`));
  expect(body.length).toBe(25 * 1024 * 1024);
  expect(await post({ body })).toMatchObject({ status: 202, body: { accepted: true } });
  expect(stored[0]?.body.length).toBe(body.length);
});

test("W6 a body over 25 MiB is answered with 413 and not stored", async () => {
  const { post, stored } = await scene();
  expect(await post({ body: Buffer.alloc(25 * 1024 * 1024 + 1) })).toMatchObject({
    status: 413,
    body: { code: "body_too_large" },
  });
  expect(stored).toEqual([]);
});

test("W7 a body without an announced length is bounded as well", async () => {
  const { url, stored } = await scene();
  const request = httpRequest(`${url}/webhook`, { method: "POST" });
  const chunk = Buffer.alloc(1024 * 1024);
  for (let count = 0; count < 27; count++) request.write(chunk);
  request.end();
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  answer.resume();
  expect(answer.statusCode).toBe(413);
  expect(stored).toEqual([]);
});

test("W7 whoever hangs up in the middle of a body leaves nothing behind", async () => {
  const { url, post, stored } = await scene();
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.write("POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", () => socket.destroy());
  await new Promise((resolve) => socket.on("close", resolve));
  expect(await post()).toMatchObject({ status: 202 });
  expect(stored).toHaveLength(1);
});

test("W7 whoever sends a body byte by byte is told, and nothing of it is taken", async () => {
  const { url, stored } = await scene({ bodyLimitMs: 50 });
  const { headers, body } = signDelivery(pushes[0], { secret, guid: randomUUID() });
  const request = httpRequest(`${url}/github-event`, { method: "POST", headers });
  request.on("error", () => {});
  let sent = 0;
  const drip = setInterval(() => request.write(body.subarray(sent, ++sent)), 10);
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  clearInterval(drip);
  const closed = once(answer.socket, "close");
  expect(answer.statusCode).toBe(408);
  expect(JSON.parse(await text(answer)).message).toBe("the body did not arrive within 0.05 s");
  await closed;
  expect(stored).toEqual([]);
});

test("W7 deliveries that come in one breath are each taken for what they are", async () => {
  const { url, stored } = await scene();
  const requestOf = (body: Buffer, signature?: string) => {
    const { headers } = signDelivery(body, { secret, guid: randomUUID() });
    const all = { ...headers, ...(signature && { "x-hub-signature-256": signature }), "content-length": body.length };
    const lines = Object.entries({ host: "x", ...all }).map(([name, value]) => `${name}: ${value}\r\n`);
    return Buffer.concat([Buffer.from(`POST /github-event HTTP/1.1\r\n${lines.join("")}\r\n`), body]);
  };
  const push = Buffer.from(JSON.stringify(pushes[0]));
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.write(Buffer.concat([requestOf(push), requestOf(push, `sha256=${"0".repeat(64)}`), requestOf(push)]));
  let answers = "";
  for await (const chunk of socket) {
    answers += chunk;
    if ((answers.match(/HTTP\/1\.1 /g) ?? []).length === 3) break;
  }
  expect(answers.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 202", "HTTP/1.1 401", "HTTP/1.1 202"]);
  expect(stored).toHaveLength(2);
});

test("no body at all is verified as an empty one", async () => {
  const { url } = await scene();
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  const { headers } = signDelivery(Buffer.alloc(0), { secret });
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`POST /webhook HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines.join("")}\r\n`);
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 .*the body is not JSON in UTF-8/s);
});

test("what cannot be stored is not accepted: GitHub sees 503, and only the log says why", async () => {
  const lines: string[] = [];
  const note = (...all: unknown[]) => void lines.push(JSON.stringify(all));
  const log: Log = { debug: note, info: note, warn: note, error: note, child: () => log };
  const { post } = await scene({ store: () => Promise.reject(new Error("connection refused")), log });
  expect(await post()).toMatchObject({
    status: 503,
    body: { code: "database_unreachable", message: "the delivery could not be stored" },
  });
  expect(lines).toEqual([expect.stringContaining("connection refused")]);
});

test("without a secret nothing is accepted, and that is the installation's fault", async () => {
  const { post, stored } = await scene({ secrets: async () => [] });
  expect(await post()).toMatchObject({ status: 500, body: { code: "setting_invalid" } });
  expect(stored).toEqual([]);
});

test("the older of two secrets holds until it is taken away", async () => {
  const secrets = ["new", secret];
  const { post } = await scene({ secrets: async () => secrets });
  expect(await post()).toMatchObject({ status: 202 });
  secrets.pop();
  expect(await post()).toMatchObject({ status: 401 });
});

test("what a person asks for with a button is told back, with who has to be allowed to", async () => {
  const example = examplesOf("check_run").find(({ action }) => action === "requested_action") ?? {};
  const check = { ...(example.check_run as object), external_id: `${randomUUID()}/stack-deploy` };
  const payload = { ...example, check_run: check, requested_action: { identifier: "cancel" } };
  const { post } = await scene();
  const signed = signDelivery(payload, { secret, event: "check_run", guid: randomUUID() });
  expect(await post({ body: Buffer.from(signed.body), headers: { ...signed.headers } })).toMatchObject({
    status: 202,
    body: { accepted: true, message: expect.stringMatching(/^cancel in .*: done if .* may write there$/) },
  });
});
