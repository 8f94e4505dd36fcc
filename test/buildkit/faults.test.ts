import { randomBytes, randomUUID } from "node:crypto";
import { readdir } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { createBuildkit } from "../../src/buildkit/client.ts";
import type { BuildRequest } from "../../src/buildkit/solve-request.ts";
import { createLog } from "../../src/log.ts";
import { killDaemon, startDaemon } from "./daemons.ts";
import { type Fault, startFaultyProxy } from "./faulty-proxy.ts";
import { createMemoryContext } from "./memory-context.ts";
import { buildOnce } from "./one-build.ts";
import { createScratch } from "./scratch-folder.ts";

const log = createLog("silent");
const largeBytes = 4_000_000;

/** A build that talks all the time: it uploads, runs and ends. */
function busyContext() {
  const Dockerfile = `FROM busybox\nCOPY large /\nRUN echo ${randomUUID()} && ls -l /large\n`;
  return createMemoryContext({ Dockerfile, large: randomBytes(largeBytes) });
}

/** A build that prints and then goes on for ever. */
function endlessContext() {
  return createMemoryContext({ Dockerfile: `FROM busybox\nRUN echo ${randomUUID()}; sleep 1000\n` });
}

/** Longer than the daemon's and our own shortest limits, which are of 5 s. */
const stallMs = 7000;

const unreachable = { code: "buildkit_unreachable", transient: true };

describe("a connection that", () => {
  const ends: readonly Fault[] = ["cut", "end"];
  const stages = [
    { stage: "before anything", direction: "up", afterBytes: 0 },
    { stage: "while the version is asked", direction: "up", afterBytes: 50 },
    { stage: "while the version is told", direction: "down", afterBytes: 50 },
    { stage: "while the session opens", direction: "up", afterBytes: 700 },
    { stage: "while the build is asked for", direction: "up", afterBytes: 1500 },
    { stage: "while the Dockerfile is sent", direction: "up", afterBytes: 3000 },
    { stage: "at the beginning of the upload", direction: "up", afterBytes: 20_000 },
    { stage: "in the middle of the upload", direction: "up", afterBytes: largeBytes / 2 },
    { stage: "near the end of the upload", direction: "up", afterBytes: largeBytes - 1000 },
  ] as const;
  const rows = ends.flatMap((how) => stages.map((stage) => ({ how, ...stage })));

  test.for(rows)("is $how $stage is told as an unreachable daemon", async ({ how, direction, afterBytes }) => {
    const { address } = await startFaultyProxy({ plan: { how, direction, afterBytes } });
    const { error } = await buildOnce({ context: busyContext(), noCache: true }, { address });
    expect(error).toMatchObject(unreachable);
    expect(error?.message).toContain(address);
  });

  test.for(ends)("is %s while a step runs is told as an unreachable daemon", async (how) => {
    const proxy = await startFaultyProxy();
    const onEvent = ({ kind }: { kind: string }) => kind === "log" && proxy.fail(how);
    const { error } = await buildOnce(
      { context: endlessContext(), noCache: true },
      { address: proxy.address, onEvent },
    );
    expect(error).toMatchObject(unreachable);
  });
});

describe("a way that is cut", () => {
  /** All that comes back is as large as this, so that a cut falls into the middle of it. */
  const large = createMemoryContext({
    Dockerfile: "FROM scratch\nCOPY large /\n",
    large: randomBytes(largeBytes),
  });

  test.for<{ what: string; ask: (folder: string) => Partial<BuildRequest>; left: readonly string[] }>([
    {
      what: "a tar comes back",
      ask: (folder) => ({ exports: [{ type: "tar", to: join(folder, "out.tar") }] }),
      left: [],
    },
    {
      what: "a folder comes back",
      ask: (folder) => ({ exports: [{ type: "local", folder: join(folder, "out") }] }),
      left: ["out"],
    },
    {
      what: "blobs of an image come back",
      ask: (folder) => ({ exports: [{ type: "oci", folder: join(folder, "out") }] }),
      left: ["out", "out/blobs", "out/blobs/sha256", "out/ingest"],
    },
    {
      what: "a cache is filled",
      ask: (folder) => ({ cacheTo: [{ type: "local", attrs: { dest: join(folder, "out"), mode: "max" } }] }),
      left: ["out", "out/blobs", "out/blobs/sha256", "out/ingest"],
    },
  ])("while $what is told as an unreachable daemon, and nothing half is left", async ({ ask, left }) => {
    const folder = await createScratch();
    const plan = { how: "cut", direction: "down", afterBytes: largeBytes / 2 } as const;
    const { address } = await startFaultyProxy({ plan });
    const { error } = await buildOnce({ context: large, ...ask(folder) }, { address });
    expect(error).toMatchObject(unreachable);
    // A blob is stored when it is whole, and known by its digest: one more does no harm.
    const found = (await readdir(folder, { recursive: true })).filter((path) => !path.startsWith("out/blobs/sha256/"));
    expect(found.sort()).toEqual(left);
  });

  test("while a cache is taken from is told as an unreachable daemon, and the next build takes it", async () => {
    const folder = await createScratch();
    const cache = join(folder, "cache");
    const filled = await buildOnce({ context: large, cacheTo: [{ type: "local", attrs: { dest: cache } }] });
    expect(filled.error).toBeUndefined();
    await using cold = await startDaemon(join(folder, "daemon"));
    const request: BuildRequest = {
      context: large,
      cacheFrom: [{ type: "local", attrs: { src: cache } }],
      exports: [{ type: "tar", to: join(folder, "out.tar") }],
    };
    // The context comes first, and then the blobs of the cache.
    const plan = { how: "cut", direction: "up", afterBytes: largeBytes * 1.5 } as const;
    const { address } = await startFaultyProxy({ daemon: cold.address, plan });
    expect((await buildOnce(request, { address })).error).toMatchObject(unreachable);
    const second = await buildOnce(request, { address: cold.address });
    expect(second.error).toBeUndefined();
    expect(second.events).toContainEqual(
      expect.objectContaining({ name: expect.stringMatching(/COPY/), cached: true }),
    );
  });

  test("while the daemon pushes is told as an unreachable daemon", async () => {
    const proxy = await startFaultyProxy();
    const registry = createHttpServer((request) => {
      if (request.method !== "GET") proxy.fail("cut");
    });
    await new Promise<void>((resolve) => registry.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      registry.closeAllConnections();
      registry.close();
    });
    const name = `127.0.0.1:${(registry.address() as AddressInfo).port}/never/pushed:1`;
    const image = { names: [name], push: true, insecure: true };
    const { error } = await buildOnce({ context: large, image }, { address: proxy.address });
    expect(error).toMatchObject(unreachable);
  });
});

describe("a build whose daemon", () => {
  /** Longer than the daemon lets pass between two questions. */
  const maxSilenceMs = 8000;

  test("is killed says so, and what to do", async () => {
    await using daemon = await startDaemon(join(await createScratch(), "daemon"));
    const onEvent = ({ kind }: { kind: string }) => kind === "log" && killDaemon(daemon);
    const { error } = await buildOnce({ context: endlessContext() }, { address: daemon.address, onEvent });
    expect(error).toMatchObject({ ...unreachable, fix: expect.stringContaining("whether buildkitd was restarted") });
  });

  test("hangs ends by itself, and says so, and what to do", async () => {
    await using daemon = await startDaemon(join(await createScratch(), "daemon"));
    const onEvent = ({ kind }: { kind: string }) => kind === "log" && process.kill(-daemon.pid, "SIGSTOP");
    const { error } = await buildOnce(
      { context: endlessContext() },
      { address: daemon.address, onEvent, maxSilenceMs },
    );
    process.kill(-daemon.pid, "SIGCONT");
    expect(error).toMatchObject({
      ...unreachable,
      message: expect.stringMatching(/nothing was heard for 8 s$/),
      fix: expect.stringMatching(/^It takes connections and does not answer: .*restart it where it hangs/),
    });
  });

  test.for([1500, 20_000, largeBytes / 2])("is out of reach from byte %i on ends by itself", async (afterBytes) => {
    const { address } = await startFaultyProxy({ plan: { how: "freeze", direction: "up", afterBytes } });
    const { error } = await buildOnce({ context: busyContext(), noCache: true }, { address, maxSilenceMs });
    expect(error).toMatchObject({ ...unreachable, message: expect.stringMatching(/nothing was heard for 8 s$/) });
  });
});

describe("a way that is slow", () => {
  test("and goes on is as good as another", async () => {
    const { address } = await startFaultyProxy({ pieceBytes: 64 * 1024, paceMs: 20 });
    const { error, output } = await buildOnce({ context: busyContext(), noCache: true }, { address });
    expect(error).toBeUndefined();
    expect(output).toContain(String(largeBytes));
  });

  test.for([
    { direction: "up", afterBytes: 1500 },
    { direction: "up", afterBytes: largeBytes / 2 },
    { direction: "down", afterBytes: 1500 },
  ] as const)("because it stands still for a while, from byte $afterBytes $direction on, is, too", async (row) => {
    const proxy = await startFaultyProxy({ plan: { how: "stall", ...row } });
    const built = buildOnce({ context: busyContext(), noCache: true }, { address: proxy.address });
    await proxy.failed;
    await sleep(stallMs);
    proxy.goOn();
    expect((await built).error).toBeUndefined();
  });
});

describe("a way on which nothing passes any more, and nobody is told,", () => {
  test("is given up while the version is asked", async () => {
    const { address } = await startFaultyProxy({ plan: { how: "freeze", direction: "up", afterBytes: 0 } });
    const client = createBuildkit({ address, log });
    await expect(client.check({ signal: new AbortController().signal })).rejects.toMatchObject(unreachable);
    client.close();
  });

  test.for([1500, 20_000, largeBytes / 2])("keeps no cancelled build, from byte %i on", async (afterBytes) => {
    const { address, failed } = await startFaultyProxy({ plan: { how: "freeze", direction: "up", afterBytes } });
    const stop = new AbortController();
    const built = buildOnce({ context: busyContext(), noCache: true }, { address, signal: stop.signal });
    await failed;
    stop.abort();
    expect((await built).error?.code).toBe("build_cancelled");
  });
});

describe("noise", () => {
  test.for([
    { direction: "down", afterBytes: 0 },
    { direction: "down", afterBytes: 200 },
    { direction: "down", afterBytes: 1000 },
    { direction: "up", afterBytes: 0 },
    { direction: "up", afterBytes: 700 },
    { direction: "up", afterBytes: 20_000 },
    { direction: "up", afterBytes: largeBytes / 2 },
  ] as const)("from byte $afterBytes $direction on ends in an error of ours", async ({ direction, afterBytes }) => {
    const { address } = await startFaultyProxy({ plan: { how: "garble", direction, afterBytes } });
    const { error } = await buildOnce({ context: busyContext(), noCache: true }, { address });
    expect(error?.code).toMatch(/^buildkit_(unreachable|refused)$/);
  });

  test.for([
    { what: "an HTTP/1 server", answer: Buffer.from("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n") },
    { what: "a server that speaks TLS", answer: Buffer.from("15030300020232", "hex") },
    { what: "a server that speaks SSH", answer: Buffer.from("SSH-2.0-OpenSSH_9.6\r\n") },
  ])("of $what is told as no BuildKit", async ({ answer }) => {
    const server = createServer(
      (socket) => void socket.on("error", () => undefined).once("data", () => socket.end(answer)),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const address = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { error } = await buildOnce({ context: busyContext() }, { address });
    expect(error?.code).toMatch(/^buildkit_(unreachable|refused)$/);
    expect(error?.message).toContain(address);
  });
});

test.for([1, 7, 1000])("bytes that come %i at a time are as good as others", async (pieceBytes) => {
  const Dockerfile = `FROM busybox\nCOPY word /\nRUN echo ${randomUUID()} && cat /word\n`;
  const context = createMemoryContext({ Dockerfile, word: "through the needle's eye\n" });
  const { address } = await startFaultyProxy({ pieceBytes });
  const { error, output } = await buildOnce({ context, noCache: true }, { address });
  expect(error).toBeUndefined();
  expect(output).toContain("through the needle's eye");
});
