import { createWriteStream, existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BuildkitPool, createBuildkitPool, type PoolOptions } from "../../src/buildkit/pool.ts";
import { findDaemons, isFixed } from "../../src/buildkit/pool-addresses.ts";
import { orderFor } from "../../src/buildkit/rendezvous.ts";
import type { BuildRequest } from "../../src/buildkit/solve-request.ts";
import { createLog, type Log } from "../../src/log.ts";
import type { BuildEvent } from "../../src/model/build-event.ts";
import type { Buildkitd } from "../../src/parts/buildkitd.ts";
import { killDaemon, startDaemon } from "./daemons.ts";
import { createMemoryContext } from "./memory-context.ts";
import { startProxy } from "./proxy.ts";

const log = createLog("silent");
const parts = new AsyncDisposableStack();
let folder = "";
let one: Buildkitd;
let other: Buildkitd;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "of-builder-pool-"));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  [one, other] = await Promise.all([startDaemon(join(folder, "one")), startDaemon(join(folder, "other"))]);
  parts.use(one);
  parts.use(other);
});

afterAll(() => parts.disposeAsync());

/** A log that tells a test why builds were run again. */
function createReasons(): { log: Log; reasons: readonly string[] } {
  const reasons: string[] = [];
  const warn = (fields: { reason?: string }, message: string) => {
    if (message === "a build is run again on another BuildKit") reasons.push(fields.reason ?? "");
  };
  return { log: { ...createLog("silent"), warn }, reasons };
}

/** It is the watch over the daemon that has noticed, and not the session of the build, which waits for 60 s. */
const silence = expect.stringMatching(/nothing was heard for 4 s$/);

function createPool(change: Partial<PoolOptions> = {}): BuildkitPool & Disposable {
  const pool = createBuildkitPool({ addresses: [one.address, other.address], slots: 2, log, ...change });
  return { ...pool, [Symbol.dispose]: pool.close };
}

const quick = "FROM busybox\n";
/** Prints a line and then waits to be let go or cancelled. */
const endless = "FROM busybox\nRUN echo on the way; sleep 1000\n";

function requestOf(name: string, dockerfile = quick): BuildRequest {
  const image = { names: [`registry.example/${name}:${Math.random()}`], push: false, insecure: false };
  return { context: createMemoryContext({ Dockerfile: dockerfile }), image, noCache: true };
}

/** A build that is at work in a container, and what ends it. */
async function startEndless(pool: BuildkitPool, name: string, change: Partial<BuildRequest> = {}) {
  const stop = new AbortController();
  const lines: BuildEvent[] = [];
  let next = Promise.withResolvers<void>();
  const onEvent = (event: BuildEvent) => {
    if (event.kind !== "log") return;
    lines.push(event);
    next.resolve();
  };
  const ended = pool.build({ ...requestOf(name, endless), ...change }, { signal: stop.signal, onEvent });
  ended.catch(() => undefined);
  await Promise.race([next.promise, ended]);
  next = Promise.withResolvers();
  return {
    ended,
    /** Resolves when it prints anew, having begun again. */
    again: next.promise,
    async stop() {
      stop.abort();
      await ended.catch(() => undefined);
    },
  };
}

function runningAt(pool: BuildkitPool): string[] {
  return pool.snapshot().daemons.flatMap(({ address, running }) => Array.from({ length: running }, () => address));
}

async function build(pool: BuildkitPool, name: string): Promise<string> {
  const before = new Map(pool.snapshot().daemons.map(({ address, built }) => [address, built]));
  await pool.build(requestOf(name), { signal: AbortSignal.timeout(60_000), onEvent: () => undefined });
  return pool.snapshot().daemons.find(({ address, built }) => built !== (before.get(address) ?? 0))?.address ?? "";
}

const letters = Array.from({ length: 60 }, (_, index) => `owner/function-${index}`);

test("keys are spread, and only those of a name that goes move", () => {
  const names = ["a", "b", "c"];
  const first = (of: readonly string[]) => letters.map((key) => orderFor(key, of, String)[0]);
  const [before, after] = [first(names), first(["a", "b"])];
  expect(new Set(before)).toEqual(new Set(names));
  expect(letters.filter((_, index) => before[index] !== "c" && before[index] !== after[index])).toEqual([]);
});

test("a name stands for each of its addresses, an address for itself", async () => {
  const lookUp = async (host: string) => (host === "many.example" ? ["10.0.0.1", "10.0.0.2", "fd00::1"] : ["10.0.0.2"]);
  const addresses = ["tcp://many.example:1234", "tcp://single.example:1234", "unix:///run/b.sock", "tcp://localhost:1"];
  expect(await findDaemons(addresses, { lookUp })).toEqual([
    { address: "tcp://10.0.0.1:1234", serverName: "many.example" },
    { address: "tcp://10.0.0.2:1234", serverName: "single.example" },
    { address: "tcp://[fd00::1]:1234", serverName: "many.example" },
    { address: "unix:///run/b.sock", serverName: undefined },
    { address: "tcp://localhost:1", serverName: undefined },
  ]);
  expect(addresses.map(isFixed)).toEqual([false, false, true, true]);
});

test("a name without an address is told as a daemon that cannot be reached", async () => {
  using pool = createPool({ addresses: ["tcp://buildkit.invalid:1234"] });
  await expect(pool.check({ signal: AbortSignal.timeout(30_000) })).rejects.toMatchObject({
    code: "buildkit_unreachable",
    message: expect.stringContaining("tcp://buildkit.invalid:1234"),
  });
});

test("a function goes to the same daemon each time, and functions go to both", async () => {
  using pool = createPool();
  const places = new Map<string, string>();
  for (const name of letters.slice(0, 8)) places.set(name, await build(pool, name));
  expect(new Set(places.values())).toEqual(new Set([one.address, other.address]));
  for (const [name, address] of places) expect(await build(pool, name)).toBe(address);
});

test("when the places of its daemon are taken a function goes to the other one, and then waits", async () => {
  using pool = createPool({ slots: 1 });
  const first = await startEndless(pool, "owner/same");
  const second = await startEndless(pool, "owner/same");
  expect(new Set(runningAt(pool))).toEqual(new Set([one.address, other.address]));
  const third = build(pool, "owner/same");
  const cancel = new AbortController();
  const fourth = pool.build(requestOf("owner/same"), { signal: cancel.signal, onEvent: () => undefined });
  while (pool.snapshot().waiting < 2) await wait(5);
  cancel.abort();
  await expect(fourth).rejects.toMatchObject({ code: "build_cancelled" });
  expect(pool.snapshot().waiting).toBe(1);
  await first.stop();
  expect(await third).not.toBe("");
  await second.stop();
  expect(pool.snapshot()).toMatchObject({ waiting: 0, daemons: [{ running: 0 }, { running: 0 }] });
});

test("daemons that come and go behind a name are found", async () => {
  await using first = await startProxy(one.address);
  await using second = await startProxy(other.address, { host: "127.0.0.2", port: first.port });
  let answer = ["127.0.0.1"];
  using pool = createPool({ addresses: [`tcp://buildkit.example:${second.port}`], lookUp: async () => answer });
  const signal = AbortSignal.timeout(60_000);
  await pool.check({ signal });
  expect(pool.snapshot().daemons.map(({ address }) => address)).toEqual([`tcp://127.0.0.1:${first.port}`]);
  answer = ["127.0.0.2"];
  while (pool.snapshot().daemons.some(({ address }) => address.includes("127.0.0.1:"))) await wait(50);
  expect(await build(pool, "owner/anything")).toBe(`tcp://127.0.0.2:${first.port}`);
});

test("a daemon that hangs loses its build to another one", async () => {
  await using hanging = await startProxy(one.address);
  await using living = await startProxy(other.address);
  const { log, reasons } = createReasons();
  using pool = createPool({ addresses: [hanging, living].map(({ port }) => `tcp://127.0.0.1:${port}`), log });
  const running = await startEndless(pool, "owner/hangs");
  const [place] = runningAt(pool);
  const [hung, next] = place?.endsWith(`:${hanging.port}`) ? [hanging, living] : [living, hanging];
  hung.freeze();
  await running.again;
  expect(runningAt(pool)).toEqual([`tcp://127.0.0.1:${next.port}`]);
  expect(pool.snapshot().daemons.find(({ address }) => address === place)).toMatchObject({ isHealthy: false });
  expect(reasons).toEqual([silence]);
  await running.stop();
});

test("a build that is run again has the time that it had", async () => {
  await using hanging = await startProxy(one.address);
  await using living = await startProxy(other.address);
  using pool = createPool({ addresses: [hanging, living].map(({ port }) => `tcp://127.0.0.1:${port}`) });
  const timeMs = 15_000;
  const running = await startEndless(pool, "owner/timed", { limits: { timeMs } });
  const [place] = runningAt(pool);
  const hung = place?.endsWith(`:${hanging.port}`) ? hanging : living;
  hung.freeze();
  // It is lost 4 s later: time that began anew with the second try would be over 2 s after this.
  const anew = wait(timeMs + 2000, "the time began anew");
  await running.again;
  const ended = running.ended.catch((error) => error);
  expect(await Promise.race([ended, anew])).toMatchObject({
    code: "limit_exceeded",
    message: "the build took longer than 15 s",
  });
});

test.for([
  ["a file", "is run again", (path: string) => ({ type: "oci", to: path }) as const],
  ["a layout", "is run again", (path: string) => ({ type: "oci", folder: path }) as const],
  ["a stream", "fails", (path: string) => ({ type: "oci", to: async () => createWriteStream(path) }) as const],
  ["a folder", "fails", (path: string) => ({ type: "local", folder: path }) as const],
] as const)("a build that makes %s and loses its daemon %s", async ([what, end, output]) => {
  await using first = await startProxy(one.address);
  await using second = await startProxy(other.address);
  using pool = createPool({ addresses: [first, second].map(({ port }) => `tcp://127.0.0.1:${port}`) });
  const dockerfile = "FROM busybox\nCOPY script /\nRUN echo on the way; sh /script\n";
  let script = "sleep 1000";
  const context = { list: (path: string) => createMemoryContext({ Dockerfile: dockerfile, script }).list(path) };
  const path = join(folder, what);
  const begun = Promise.withResolvers<void>();
  const request = { context, exports: [output(path)], noCache: true };
  const built = pool
    .build(request, {
      signal: AbortSignal.timeout(60_000),
      onEvent: (event) => event.kind === "log" && begun.resolve(),
    })
    .then(
      () => true,
      (error) => error.code,
    );
  await Promise.race([begun.promise, built]);
  script = "true";
  const [place] = runningAt(pool);
  for (const proxy of [first, second]) if (place?.endsWith(`:${proxy.port}`)) proxy.cut();
  expect(await built).toBe(end === "fails" ? "buildkit_unreachable" : true);
  expect(existsSync(path)).toBe(end !== "fails");
});

test("a daemon to which old connections are dead loses its build, though new ones would go well", async () => {
  await using halfOpen = await startProxy(one.address);
  await using living = await startProxy(other.address);
  const { log, reasons } = createReasons();
  using pool = createPool({ addresses: [halfOpen, living].map(({ port }) => `tcp://127.0.0.1:${port}`), log });
  const running = await startEndless(pool, "owner/half-open");
  const [place] = runningAt(pool);
  const [dead, next] = place?.endsWith(`:${halfOpen.port}`) ? [halfOpen, living] : [living, halfOpen];
  dead.freezeOpen();
  await running.again;
  expect(runningAt(pool)).toEqual([`tcp://127.0.0.1:${next.port}`]);
  const isBack = () => pool.snapshot().daemons.every(({ isHealthy }) => isHealthy);
  while (!isBack()) await wait(50);
  expect(reasons).toEqual([silence]);
  await running.stop();
});

test("a daemon that is killed loses its build to the other one, and gets none until it is back", async () => {
  using pool = createPool();
  const running = await startEndless(pool, "owner/killed");
  const [place] = runningAt(pool);
  const [killed, left] = place === one.address ? [one, other] : [other, one];
  killDaemon(killed);
  await running.again;
  expect(runningAt(pool)).toEqual([left.address]);
  for (const name of letters.slice(0, 5)) expect(await build(pool, name)).toBe(left.address);
  expect(pool.snapshot().daemons.find(({ address }) => address === place)).toMatchObject({
    isHealthy: false,
    failures: 1,
  });
  parts.use(await startDaemon(join(folder, killed === one ? "one" : "other")));
  const isBack = () => pool.snapshot().daemons.every(({ isHealthy }) => isHealthy);
  while (!isBack()) await wait(50);
  expect(await build(pool, "owner/killed")).toBe(place);
  // A build is run again once, and not for ever.
  killDaemon(left);
  await expect(running.ended).rejects.toMatchObject({ code: "buildkit_unreachable", transient: true });
});
