import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { describe, expect, test } from "vitest";
import { openArchive } from "../../src/contexts/archive.ts";
import { BuilderError } from "../../src/errors.ts";
import { createFairQueue } from "../../src/pipeline/fair-queue.ts";
import type { PayloadKey } from "../../src/server/build-signature.ts";
import { archive } from "../contexts/archives.ts";
import { begin, post, serveBuilds, sign } from "./build-requests.ts";

/** A request of its own bytes for each name. */
const bodyOf = (name: string) =>
  archive(
    { name: "context/Dockerfile", body: "FROM busybox" },
    { name: "com.openfaas.docker.config", body: `{"image":"r/${name}"}` },
  );
const streamed = { accept: "application/x-ndjson" };

/** A build that waits until the test lets it go, by image. */
function createGates() {
  const gates = new Map<string, PromiseWithResolvers<void>>();
  const of = (image: string) => {
    const gate = gates.get(image) ?? Promise.withResolvers<void>();
    gates.set(image, gate);
    return gate;
  };
  const started: string[] = [];
  return {
    started,
    open: (image: string) => of(image).resolve(),
    async build({ image }: { image: string }, { signal }: { signal: AbortSignal }) {
      started.push(image);
      const cancelled = once(signal, "abort").then(() => Promise.reject(signal.reason));
      await Promise.race([of(image).promise, cancelled]);
      return `sha256:${image}`;
    },
  };
}

/** Sends a request and gives what of its answer has come so far. */
function send(server: { url: string }, body: Buffer, headers: Readonly<Record<string, string>> = streamed) {
  const { request, response } = begin(server, headers);
  request.on("error", () => {});
  request.end(body);
  let text = "";
  const whole = response.then(async (answer: IncomingMessage) => {
    for await (const chunk of answer) text += chunk;
    return { status: answer.statusCode, headers: answer.headers, text };
  });
  whole.catch(() => {});
  return { request, whole, text: () => text };
}

const lastOf = (text: string) => JSON.parse(text.trim().split("\n").at(-1) ?? "");

describe("many requests at once", () => {
  test("wait for their turn, and a client that streams is told its place until it begins", async () => {
    const { build, open, started } = createGates();
    const queue = createFairQueue({ maxRunning: 1, maxWaiting: 10 });
    await using server = await serveBuilds({ build, queue, limits: { maxBodyBytes: 1_000_000, heartbeatMs: 5 } });
    const first = send(server, bodyOf("a"));
    await expect.poll(() => started).toEqual(["r/a"]);
    const second = send(server, bodyOf("b"));
    await expect.poll(second.text).toContain('"queue":0');
    const third = send(server, bodyOf("c"));
    await expect.poll(third.text).toContain("1 build is before this one");
    await expect.poll(third.text).toContain('{"status":"in_progress","queue":1}');
    open("r/a");
    await expect.poll(third.text).toContain('{"status":"in_progress","queue":0}');
    open("r/b");
    open("r/c");
    const ends = await Promise.all([first, second, third].map(async ({ whole }) => lastOf((await whole).text)));
    expect(ends).toMatchObject(["a", "b", "c"].map((name) => ({ status: "success", digest: `sha256:r/${name}` })));
    expect(started).toEqual(["r/a", "r/b", "r/c"]);
  });

  test("are answered with 429 and Retry-After where too many wait, and taken again later", async () => {
    const { build, open, started } = createGates();
    const queue = createFairQueue({ maxRunning: 1, maxWaiting: 1 });
    await using server = await serveBuilds({ build, queue });
    const first = send(server, bodyOf("a"));
    await expect.poll(() => started).toEqual(["r/a"]);
    const second = send(server, bodyOf("b"), {});
    await expect.poll(() => queue.isFull).toBe(true);
    for (const headers of [{}, streamed]) {
      const refused = await post(server, bodyOf("c"), headers);
      expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "30"]);
      expect(refused.json).toMatchObject({ log: null, error: expect.stringContaining("1 builds run and 1 wait") });
    }
    expect(await server.leftovers()).toHaveLength(2);
    for (const name of ["r/a", "r/b", "r/c"]) open(name);
    expect((await first.whole).status).toBe(200);
    expect((await second.whole).status).toBe(200);
    expect((await post(server, bodyOf("c"))).status).toBe(200);
    expect(await server.leftovers()).toEqual([]);
  });

  test("take turns between keys, however much one client sends", async () => {
    const { build, open, started } = createGates();
    const queue = createFairQueue({ maxRunning: 1, maxWaiting: 10 });
    const keys: PayloadKey[] = ["alice", "bob"].map((id) => ({ id, secret: id }));
    await using server = await serveBuilds({ build, queue, keys: async () => keys });
    const requests = [];
    for (const [key, name] of ["alice 1", "alice 2", "alice 3", "bob 4"].map(
      (text) => text.split(" ") as [string, string],
    )) {
      const body = bodyOf(name);
      requests.push(send(server, body, { ...streamed, "x-build-signature": sign(body, key) }));
      const last = requests.at(-1);
      if (name === "1") await expect.poll(() => started).toEqual(["r/1"]);
      else await expect.poll(() => last?.text()).toContain("queue");
    }
    for (const name of ["1", "2", "4", "3"]) open(`r/${name}`);
    for (const { whole } of requests) expect(lastOf((await whole).text)).toMatchObject({ status: "success" });
    expect(started).toEqual(["r/1", "r/2", "r/4", "r/3"]);
  });

  test("leave the queue when their client hangs up, and nothing of them stays", async () => {
    const { build, open, started } = createGates();
    const queue = createFairQueue({ maxRunning: 1, maxWaiting: 10 });
    await using server = await serveBuilds({ build, queue });
    const first = send(server, bodyOf("a"));
    await expect.poll(() => started).toEqual(["r/a"]);
    const second = send(server, bodyOf("b"));
    await expect.poll(second.text).toContain("queue");
    second.request.destroy();
    await expect.poll(() => server.leftovers()).toHaveLength(1);
    open("r/a");
    await first.whole;
    expect(started).toEqual(["r/a"]);
    expect(server.bugs).toEqual([]);
  });

  test("of the same bytes share one build, its log from the beginning, and its place", async () => {
    const { build, open, started } = createGates();
    const queue = createFairQueue({ maxRunning: 1, maxWaiting: 1 });
    await using server = await serveBuilds({
      queue,
      async build(order, options) {
        options.onEvent({ kind: "log", vertex: "x", stream: "stdout", timestamp: 0, text: "said before" });
        return build(order, options);
      },
    });
    const same = bodyOf("a");
    const first = send(server, same);
    await expect.poll(first.text).toContain("said before");
    const others = [send(server, same), send(server, same)];
    for (const other of others) await expect.poll(other.text).toContain("said before");
    await expect.poll(() => server.leftovers()).toHaveLength(1);
    first.request.destroy();
    others[0]?.request.destroy();
    const blocked = send(server, same, {});
    open("r/a");
    expect(lastOf((await others[1]?.whole)?.text ?? "")).toMatchObject({ status: "success", digest: "sha256:r/a" });
    expect(JSON.parse((await blocked.whole).text)).toMatchObject({ status: "success" });
    expect(await server.leftovers()).toEqual([]);
    expect(started.length).toBeLessThanOrEqual(2);
  });

  test("of the same bytes are cancelled when the last one hangs up, and a new one begins anew", async () => {
    const { build, open, started } = createGates();
    let cancelled = 0;
    await using server = await serveBuilds({
      async build(order, options) {
        options.signal.addEventListener("abort", () => (cancelled += 1));
        return build(order, options);
      },
    });
    const same = bodyOf("a");
    const [first, second] = [send(server, same), send(server, same)];
    await expect.poll(() => started.length).toBeGreaterThan(0);
    first.request.destroy();
    second.request.destroy();
    await expect.poll(() => server.leftovers()).toEqual([]);
    expect(cancelled).toBe(started.length);
    open("r/a");
    expect((await post(server, same)).json).toMatchObject({ status: "success" });
  });

  test("end in one failed record each when the server stops, also for those that wait", async () => {
    const { build, started } = createGates();
    const leaving = new AbortController();
    const queue = createFairQueue({ maxRunning: 1, maxWaiting: 10 });
    await using server = await serveBuilds({ build, queue, leaving: leaving.signal });
    const first = send(server, bodyOf("a"));
    await expect.poll(() => started).toEqual(["r/a"]);
    const second = send(server, bodyOf("b"));
    await expect.poll(second.text).toContain("queue");
    leaving.abort(new BuilderError("stopping", "of-builder is stopping"));
    for (const { whole } of [first, second]) {
      const records = (await whole).text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      const ends = records.filter(({ status }) => status !== "in_progress");
      expect(ends).toMatchObject([{ status: "failed", error: "of-builder is stopping" }]);
    }
    await expect.poll(() => server.leftovers()).toEqual([]);
  });

  test("that arrive at once wait for each other unread, and are all built", async () => {
    const limits = { maxBodyBytes: 1_000_000, maxArriving: 2 };
    await using server = await serveBuilds({ build: async () => "sha256:1", limits });
    const sent = Array.from({ length: 9 }, (_, at) => send(server, bodyOf(`f${at}`)));
    for (const { whole } of sent) expect(lastOf((await whole).text).status).toBe("success");
    expect(server.orders).toHaveLength(9);
  });

  test("T26 that only arrive are bounded too: others wait a while for slow bodies, and are told to come again", async () => {
    const limits = { maxBodyBytes: 1_000_000, maxArriving: 4, arrivalLimitMs: 100 };
    await using server = await serveBuilds({ limits });
    const slow = [begin(server), begin(server)];
    for (const { request } of slow) {
      request.on("error", () => {});
      request.write("x");
    }
    await expect.poll(() => server.leftovers()).toHaveLength(2);
    const refused = await post(server, bodyOf("a"));
    expect([refused.status, refused.json.error]).toEqual([429, "as many requests are arriving already as may"]);
    for (const { request } of slow) request.destroy();
    await expect.poll(() => server.leftovers()).toEqual([]);
    expect((await post(server, bodyOf("a"))).status).toBe(200);
  });

  test("T17 T19 are unpacked and indexed two at a time", async () => {
    const folder = new Set<string>();
    let most = 0;
    const pause = Promise.withResolvers<void>();
    await using server = await serveBuilds({
      build: async () => "sha256:1",
      async openArchive(file, options) {
        folder.add(file);
        most = Math.max(most, folder.size);
        await pause.promise;
        folder.delete(file);
        return openArchive(file, { ...options, findProgram: async () => undefined });
      },
    });
    const sent = Array.from({ length: 5 }, (_, at) => send(server, bodyOf(`f${at}`)));
    await expect.poll(() => folder.size).toBe(2);
    pause.resolve();
    for (const { whole } of sent) expect(lastOf((await whole).text).status).toBe("success");
    expect(most).toBe(2);
  });

  test("T19 of very many entries are refused while others take the memory for it, and nothing is left", async () => {
    const { build, open, started } = createGates();
    await using server = await serveBuilds({ build, maxHeldEntries: 4 });
    const first = send(server, bodyOf("a"));
    await expect.poll(() => started).toEqual(["r/a"]);
    const refused = await post(server, bodyOf("b"));
    expect([refused.status, refused.headers.get("retry-after") !== null]).toEqual([429, true]);
    expect(refused.json.error).toBe("the archives that are being built take all memory that they may");
    open("r/a");
    await first.whole;
    open("r/b");
    expect((await post(server, bodyOf("b"))).status).toBe(200);
    expect(await server.leftovers()).toEqual([]);
  });

  test("T26 that stop in the middle of their body are ended with 408 and nothing left", async () => {
    const pace = { spanMs: 50, minBytes: 1000 };
    await using server = await serveBuilds({ limits: { maxBodyBytes: 1_000_000, pace } });
    const { request, response } = begin(server, { "content-length": 100_000 });
    request.on("error", () => {});
    request.write("x".repeat(5000));
    const answer = await response;
    expect(answer.statusCode).toBe(408);
    let text = "";
    for await (const chunk of answer) text += chunk;
    expect(JSON.parse(text).error).toBe("less than 1000 bytes of the body came within 50 ms");
    expect(await server.leftovers()).toEqual([]);
  });
});
