import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BuilderError } from "../../src/errors.ts";
import type { BuildEvent } from "../../src/model/build-event.ts";
import { createRemoteBuilder } from "../../src/remote/remote-builder.ts";

const { signal } = new AbortController();
const archive = Buffer.alloc(10_240, "t");
let folder: string;
let file: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "of-builder-remote-test-"));
  file = join(folder, "archive.tar");
  await writeFile(file, archive);
});
afterAll(() => rm(folder, { recursive: true }));

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

/** A server of the build API as others may have written it. */
async function serve(handle: Handler): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => handle(request, response, Buffer.concat(pieces)));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

const ndjson = { "Content-Type": "application/x-ndjson" };

const hmacOf = (before: string, body: Buffer) => createHmac("sha256", "s").update(before).update(body).digest("hex");
const sign = async (before: string) => hmacOf(before, archive);

async function build(url: string, order: { sign?: typeof sign } = {}) {
  const events: BuildEvent[] = [];
  const result = await createRemoteBuilder(url).build({ file, ...order }, { signal, onEvent: (e) => events.push(e) });
  return { ...result, events };
}

test("an archive is sent whole and signed, and the stream's lines become events", async () => {
  const seen: object[] = [];
  await using server = await serve((request, response, body) => {
    const { url, method, headers } = request;
    seen.push({
      url,
      method,
      length: headers["content-length"],
      isSigned: headers["x-build-signature"] === `sha256=${hmacOf("", body)}`,
      stamp: headers["x-build-timestamp"],
    });
    response.writeHead(200, ndjson);
    response.write(
      '{"log":["v: 2026-01-01T00:00:00Z [1/2] FROM x","v: 2026-01-01T00:00:00Z [1/2] FROM x 1.50s"],"status":"in_progress"}\n{"log":["l: 2026-',
    );
    response.write(
      '01-01T00:00:02Z hello\\n", "s: 2026-01-01T00:00:02Z sha256:1 5"],"status":"in_progress","duration":1}\n{"status":"in_progress"}\n',
    );
    response.end('{"image":"r/x:1","status":"success","digest":"sha256:d"}\n');
  });
  const { image, digest, events } = await build(server.url, { sign });
  // A server of another maker would hold the HMAC against the body alone.
  expect(seen).toEqual([{ url: "/build", method: "POST", length: "10240", isSigned: true, stamp: undefined }]);
  expect([image, digest]).toEqual(["r/x:1", "sha256:d"]);
  expect(events).toMatchObject([
    { kind: "vertex", name: "[1/2] FROM x", completed: undefined },
    { kind: "vertex", name: "[1/2] FROM x", completed: Date.UTC(2026, 0, 1, 0, 0, 1, 500), cached: false },
    { kind: "log", vertex: "[1/2] FROM x", text: "hello\n" },
  ]);
});

test("a server that answers once, as those from before 2025 do, is understood", async () => {
  await using server = await serve((_request, response) => {
    response.end('{"log":["l: 2026-01-01T00:00:00Z hi"],"imageName":"","image":"r/x:1","status":"success"}');
  });
  expect(await build(server.url)).toMatchObject({ image: "r/x:1", digest: undefined, events: [{ text: "hi" }] });
});

test.for<[string, Handler, { code: string; message: RegExp }]>([
  [
    "a stream that ends without its last record",
    (_request, response) => response.writeHead(200, ndjson).end('{"log":["l: x"],"status":"in_progress"}\n'),
    { code: "builder_unreachable", message: /ended its answer without telling/ },
  ],
  [
    "a stream that is cut off inside of a record",
    (_request, response) => response.writeHead(200, ndjson).end('{"status":"in_progress"}\n{'),
    { code: "builder_unreachable", message: /no record/ },
  ],
  [
    "a connection that breaks in the middle",
    (_request, response) => {
      response.writeHead(200, ndjson).write('{"status":"in_progress"}\n', () => response.destroy());
    },
    { code: "builder_unreachable", message: /does not answer/ },
  ],
  [
    "a line that is no record",
    (_request, response) => response.writeHead(200, ndjson).end("hello\n"),
    { code: "builder_unreachable", message: /"hello"/ },
  ],
  [
    "a line without end",
    (_request, response) => response.writeHead(200, ndjson).end("x".repeat(2_000_000)),
    { code: "builder_unreachable", message: /more than 1048576 bytes/ },
  ],
  [
    "a build that failed, streamed",
    (_request, response) =>
      response.writeHead(200, ndjson).end('{"status":"failed","error":"RUN: exit code 3","image":"x"}\n'),
    { code: "build_failed", message: /^RUN: exit code 3$/ },
  ],
  [
    "a build that failed, told at once",
    (_request, response) => response.writeHead(500).end('{"log":["l: x"],"status":"failure: failed to solve: no"}'),
    { code: "build_failed", message: /failed to solve: no/ },
  ],
  [
    "a wrong signature",
    (_request, response) =>
      response.writeHead(401).end('{"log":null,"status":"unexpected failure: does not fit","error":"does not fit"}'),
    { code: "builder_refused", message: /answers 401: does not fit/ },
  ],
  [
    "a builder that is full",
    (_request, response) => response.writeHead(429).end("Concurrent request limit exceeded."),
    { code: "too_busy", message: /answers 429: Concurrent request limit/ },
  ],
  [
    "a server that is no builder",
    (_request, response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<html>"),
    { code: "builder_refused", message: /answers 200: <html>/ },
  ],
])("%s is told as what it is", async ([, handle, { code, message }]) => {
  await using server = await serve(handle);
  await expect(build(server.url)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
});

/** Serves a builder that takes what is stamped, each signature once, and answers what has no stamp with a text. */
async function serveStamped(refusal: string) {
  const stamps: (string | undefined)[] = [];
  const taken = new Set<string>();
  const server = await serve(({ headers }, response, body) => {
    const stamp = headers["x-build-timestamp"];
    stamps.push(stamp === undefined ? undefined : "stamp");
    const signature = String(headers["x-build-signature"]);
    const isGood = stamp !== undefined && signature === `sha256=${hmacOf(`${stamp}.`, body)}` && !taken.has(signature);
    taken.add(signature);
    if (isGood) response.writeHead(200, ndjson).end('{"status":"success","image":"x"}\n');
    else response.writeHead(401).end(JSON.stringify({ log: null, status: refusal, error: refusal }));
  });
  return { ...server, stamps };
}

test("a server that asks for a stamp gets it, and none of the same second is taken for a repetition", async () => {
  await using server = await serveStamped("the request has no X-Build-Timestamp");
  const builder = createRemoteBuilder(server.url);
  for (let count = 0; count < 3; count += 1) await builder.build({ file, sign }, { signal, onEvent() {} });
  expect(server.stamps).toEqual([undefined, "stamp", undefined, "stamp", undefined, "stamp"]);
});

test("whoever wants it stamps from the first request on", async () => {
  await using server = await serveStamped("no");
  const builder = createRemoteBuilder(server.url, { stamp: true });
  for (let count = 0; count < 3; count += 1) await builder.build({ file, sign }, { signal, onEvent() {} });
  expect(server.stamps).toEqual(["stamp", "stamp", "stamp"]);
});

test("a server that refuses a signature for another reason is not asked a second time", async () => {
  await using server = await serveStamped("does not fit the body");
  await expect(build(server.url, { sign })).rejects.toMatchObject({ code: "builder_refused" });
  await expect(build(server.url)).rejects.toMatchObject({ code: "builder_refused" });
  expect(server.stamps).toEqual([undefined, undefined]);
});

test.for<[number, string | undefined, number, number]>([
  [429, "30", 30_000, 30_000],
  [503, "7", 7000, 7000],
  [503, new Date(Date.now() + 3_600_000).toUTCString(), 3_000_000, 3_600_000],
  [429, new Date(0).toUTCString(), 0, 0],
  [429, "soon", 0, 0],
  [429, undefined, 0, 0],
])("a builder that answers %i with Retry-After: %s is left alone for so long", async ([code, header, least, most]) => {
  await using server = await serve((_request, response) => {
    response.writeHead(code, header === undefined ? {} : { "Retry-After": header }).end("busy");
  });
  const error = await build(server.url).catch((fault: unknown) => fault);
  expect(error).toMatchObject({ code: "too_busy", transient: true });
  const { retryAfterMs } = error as BuilderError;
  expect(retryAfterMs).toBeGreaterThanOrEqual(least);
  expect(retryAfterMs).toBeLessThanOrEqual(most);
});

test("a server that is not there is told with its address", async () => {
  const server = await serve(() => undefined);
  await server[Symbol.asyncDispose]();
  await expect(build(server.url)).rejects.toMatchObject({ code: "builder_unreachable", transient: true });
});

test("a build can be cancelled while the server is silent", async () => {
  const stop = new AbortController();
  await using server = await serve(() => stop.abort(new Error("enough")));
  const building = createRemoteBuilder(server.url).build({ file }, { signal: stop.signal, onEvent() {} });
  await expect(building).rejects.toThrow("enough");
});

test.for(["builder", "ftp://x", "http//x"])("%s is no address of a builder", (address) => {
  expect(() => createRemoteBuilder(address)).toThrow(/no address of a builder/);
});
