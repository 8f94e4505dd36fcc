import { randomBytes, randomUUID } from "node:crypto";
import { type AddressInfo, createServer } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { createBuildkit } from "../../src/buildkit/client.ts";
import { createLog } from "../../src/log.ts";
import { type Fault, startFaultyProxy } from "./faulty-proxy.ts";
import { createMemoryContext } from "./memory-context.ts";
import { buildOnce } from "./one-build.ts";

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
