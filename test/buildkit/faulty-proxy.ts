import { randomBytes } from "node:crypto";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Transform } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { inject, onTestFinished } from "vitest";

/** "up" is to the daemon. */
export type Direction = "up" | "down";

export interface FaultyProxy {
  /** Of the proxy, to be given to a client. */
  readonly address: string;
  /** Resolves when the fault has happened. */
  readonly failed: Promise<void>;
  /** Does something to all connections from now on. */
  fail(how: Fault): void;
  /** Lets pass what a stall has held up, and all that follows. */
  goOn(): void;
}

/**
 * `cut`: connections are reset. `end`: they are closed as if all had been said. `freeze`: nothing passes any more and
 * nobody is told. `stall`: the same until the test lets it go on. `garble`: what passes is replaced by noise.
 */
export type Fault = "cut" | "end" | "freeze" | "stall" | "garble";

/** When a fault happens by itself: after so many bytes of one direction, and to what comes later, too. */
export interface FaultPlan {
  readonly how: Fault;
  readonly direction: Direction;
  readonly afterBytes: number;
}

/**
 * Starts a proxy between a client and a daemon, until the test ends.
 * @param options.daemon address of its socket; the suite's where absent
 * @param options.pieceBytes passes bytes on in pieces of this size, each in a turn of the event loop of its own
 * @param options.paceMs makes each piece that much later
 */
export async function startFaultyProxy({
  plan,
  daemon = inject("buildkit"),
  pieceBytes,
  paceMs,
}: {
  plan?: FaultPlan;
  daemon?: string;
  pieceBytes?: number;
  paceMs?: number;
} = {}): Promise<FaultyProxy> {
  const path = daemon.replace(/^unix:\/\//, "");
  const passed = { up: 0, down: 0 };
  const pairs = new Set<readonly [Socket, Socket]>();
  const failed = Promise.withResolvers<void>();
  const resumed = Promise.withResolvers<void>();
  let fault: Fault | undefined;
  const fail = (how: Fault) => {
    fault = how;
    failed.resolve();
    for (const pair of pairs) stop(pair, how);
  };
  const take = async (chunk: Buffer, direction: Direction, to: Transform) => {
    passed[direction] += chunk.length;
    if (plan?.direction === direction && passed[direction] > plan.afterBytes) fail(plan.how);
    if (fault === "stall") await resumed.promise;
    if (fault === "freeze") await new Promise(() => undefined);
    if (fault === undefined || fault === "stall") await pass(to, chunk, { pieceBytes, paceMs });
    if (fault === "garble") to.push(randomBytes(chunk.length));
  };
  const through = (direction: Direction) =>
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        void take(chunk, direction, this).then(() => done());
      },
    });
  const server = createServer((socket) => {
    const onward = connect(path);
    const pair = [socket, onward] as const;
    pairs.add(pair);
    for (const each of pair) each.on("error", () => undefined).on("close", () => pair.map((end) => end.destroy()));
    socket.on("close", () => pairs.delete(pair));
    socket.pipe(through("up")).pipe(onward);
    onward.pipe(through("down")).pipe(socket);
    if (fault !== undefined) fail(fault);
    else if (plan?.afterBytes === 0 && plan.how !== "garble") fail(plan.how);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    for (const [socket] of pairs) socket.destroy();
  });
  return {
    address: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    failed: failed.promise,
    fail,
    goOn: resumed.resolve,
  };
}

function stop([client, daemon]: readonly [Socket, Socket], how: Fault): void {
  if (how === "cut") {
    client.resetAndDestroy();
    daemon.destroy();
  }
  if (how === "end") {
    client.end();
    daemon.end();
  }
}

async function pass(
  to: Transform,
  bytes: Buffer,
  { pieceBytes = bytes.length, paceMs }: { pieceBytes: number | undefined; paceMs: number | undefined },
): Promise<void> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    to.push(bytes.subarray(at, at + pieceBytes));
    if (paceMs !== undefined) await sleep(paceMs);
    else if (at + pieceBytes < bytes.length) await new Promise((resolve) => setImmediate(resolve));
  }
}
