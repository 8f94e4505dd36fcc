import { describe, expect, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import type { BuildEvent } from "../../src/model/build-event.ts";
import { archive } from "../contexts/archives.ts";
import { begin, post, serveBuilds } from "./build-requests.ts";

const body = archive(
  { name: "context/Dockerfile", body: "FROM busybox" },
  { name: "com.openfaas.docker.config", body: '{"image":"r/Fn:1"}' },
);
const streamed = { accept: "application/x-ndjson" };
const printed = (text: string): BuildEvent => ({ kind: "log", vertex: "x", stream: "stdout", timestamp: 0, text });

interface Record {
  readonly log?: string[];
  readonly status: string;
  readonly image?: string;
  readonly error?: string;
  readonly duration?: number;
}

/** Records as faas-cli reads them: line by line, none of 64 KiB or more, each one JSON. */
function recordsOf(text: string): Record[] {
  const lines = text.split("\n");
  expect(lines.pop()).toBe("");
  for (const line of lines) expect(Buffer.byteLength(line)).toBeLessThan(60_000);
  return lines.map((line) => JSON.parse(line));
}

const isLast = ({ status }: Record) => status !== "in_progress";

describe("the streamed answer of POST /build", () => {
  test("brings lines while the build runs and one last record with the image", async () => {
    const { promise: seen, resolve: go } = Promise.withResolvers<void>();
    await using server = await serveBuilds({
      async build(_order, { onEvent }) {
        onEvent(printed("one"));
        onEvent(printed("two"));
        await seen;
        onEvent(printed("three"));
        return "sha256:abc";
      },
    });
    const { request, response } = begin(server, streamed);
    request.end(body);
    const answer = await response;
    expect(answer.statusCode).toBe(200);
    expect(answer.headers["content-type"]).toBe("application/x-ndjson");
    let text = "";
    for await (const chunk of answer) {
      text += chunk;
      if (text.includes("two")) go();
    }
    const records = recordsOf(text);
    expect(records.map(({ log, status }) => [log, status])).toEqual([
      [["l: 1970-01-01T00:00:00Z one", "l: 1970-01-01T00:00:00Z two"], "in_progress"],
      [["l: 1970-01-01T00:00:00Z three"], "in_progress"],
      [undefined, "success"],
    ]);
    const duration = expect.any(Number);
    expect(records[2]).toEqual({ image: "r/Fn:1", status: "success", digest: "sha256:abc", duration });
    expect(await server.leftovers()).toEqual([]);
  });

  test.for<[string, Error, string]>([
    ["a build that fails", new BuilderError("build_failed", "RUN <false>: exit code 1"), "RUN <false>: exit code 1"],
    ["a bug", new Error("inner words"), "of-builder failed: see its log"],
    ["a message without end", new BuilderError("build_failed", "\u001b".repeat(100_000)), "\u001b".repeat(8000)],
  ])("ends %s with HTTP 200 and the word that faas-cli knows", async ([, error, told]) => {
    await using server = await serveBuilds({ build: () => Promise.reject(error) });
    const answer = await post(server, body, streamed);
    expect(answer.status).toBe(200);
    expect(recordsOf(answer.text)).toEqual([
      { image: "r/Fn:1", status: "failed", error: told, duration: expect.any(Number) },
    ]);
  });

  test("keeps records below the line that faas-cli can read, whatever is printed", async () => {
    const texts = [
      "\u001b".repeat(200_000),
      "x".repeat(65_536),
      "\u{1f600}".repeat(50_000),
      "<&>\u2028".repeat(30_000),
    ];
    await using server = await serveBuilds({
      async build(_order, { onEvent }) {
        for (const text of texts) onEvent(printed(text));
        for (let n = 0; n < 5000; n++) onEvent(printed(`line ${n}`));
      },
    });
    const records = recordsOf((await post(server, body, streamed)).text);
    const lines = records.flatMap(({ log = [] }) => log);
    const mark = "l: 1970-01-01T00:00:00Z ";
    expect(lines.every((line) => line.startsWith(mark) && line.isWellFormed())).toBe(true);
    const whole = lines.map((line) => line.slice(mark.length)).join("");
    expect(whole).toBe(texts.join("") + Array.from({ length: 5000 }, (_, n) => `line ${n}`).join(""));
    expect(records.filter(isLast)).toHaveLength(1);
  });

  test("is the same as Server-Sent Events for browsers, the last one named", async () => {
    await using server = await serveBuilds({
      async build(_order, { onEvent }) {
        onEvent(printed("two\nlines <b>"));
        return "sha256:abc";
      },
    });
    const answer = await post(server, body, { accept: "text/event-stream" });
    expect(answer.headers.get("content-type")).toBe("text/event-stream");
    const events = answer.text.split("\n\n").map((event) => event.split("\n"));
    expect(events.pop()).toEqual([""]);
    const records = events.map((lines) => JSON.parse(lines.at(-1)?.replace(/^data: /, "") ?? ""));
    expect(events.map((lines) => lines.slice(0, -1))).toEqual([[], ["event: end"]]);
    expect(records).toMatchObject([
      { status: "in_progress", log: ["l: 1970-01-01T00:00:00Z two\nlines <b>"] },
      { status: "success", image: "r/Fn:1", digest: "sha256:abc" },
    ]);
    const refused = await post(server, Buffer.from("x"), { accept: "text/event-stream" });
    expect([refused.status, refused.headers.get("content-type")]).toEqual([400, "application/json; charset=utf-8"]);
  });

  test("has begun the next record wherever it is cut off: at half of one the Go client fails, at an end it does not", async () => {
    const { promise: seen, resolve: go } = Promise.withResolvers<void>();
    await using server = await serveBuilds({
      async build(_order, { onEvent }) {
        onEvent(printed("one"));
        await seen;
      },
    });
    const { request, response } = begin(server, streamed);
    request.end(body);
    const answer = await response;
    const chunks = answer.iterator({ destroyOnReturn: false });
    let text = "";
    while (!text.includes("one")) text += (await chunks.next()).value;
    expect(text.split("\n").at(-1)).toBe("{");
    go();
    for await (const chunk of answer) text += chunk;
    expect(recordsOf(text).filter(isLast)).toHaveLength(1);
  });

  test("sends a record when nothing is printed for a while", async () => {
    const { promise: seen, resolve: go } = Promise.withResolvers<void>();
    await using server = await serveBuilds({
      build: () => seen,
      limits: { maxBodyBytes: 1_000_000, heartbeatMs: 5 },
    });
    const { request, response } = begin(server, streamed);
    request.end(body);
    let text = "";
    for await (const chunk of await response) {
      text += chunk;
      if (text.includes("in_progress")) go();
    }
    expect(recordsOf(text)[0]).toEqual({ status: "in_progress" });
    expect(recordsOf(text).filter(isLast)).toMatchObject([{ status: "success" }]);
  });

  test("ends with a failed record when the server stops", async () => {
    const leaving = new AbortController();
    await using server = await serveBuilds({
      leaving: leaving.signal,
      async build(_order, { signal }) {
        leaving.abort(new BuilderError("stopping", "of-builder is stopping"));
        signal.throwIfAborted();
      },
    });
    const [last] = recordsOf((await post(server, body, streamed)).text);
    expect(last).toMatchObject({ status: "failed", error: "of-builder is stopping" });
  });

  test("leaves lines out for a client that does not read, and says how many", async () => {
    const { promise: full, resolve: stopPrinting } = Promise.withResolvers<void>();
    const { promise: seen, resolve: go } = Promise.withResolvers<void>();
    await using server = await serveBuilds({
      async build(_order, { onEvent }) {
        const text = "x".repeat(7000);
        for (let n = 0; n < 10_000; n++) {
          onEvent(printed(text));
          if (n % 100 === 0) await new Promise(setImmediate);
        }
        stopPrinting();
        await seen;
        onEvent(printed("read again"));
      },
    });
    const { request, response } = begin(server, streamed);
    request.end(body);
    const answer = await response;
    answer.pause();
    await full;
    let text = "";
    let bytes = 0;
    answer.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      text = (text + chunk).slice(-3000);
      go();
    });
    answer.resume();
    await new Promise((done) => answer.once("end", done));
    expect(text).toMatch(/lines left out: the client reads too slowly/);
    expect(bytes).toBeLessThan(50_000_000);
    expect(text).toMatch(/"status":"success"/);
  });
});
