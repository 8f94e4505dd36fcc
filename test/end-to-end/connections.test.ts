import { EventEmitter, once } from "node:events";
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { expect, inject, test } from "vitest";
import { archive } from "../contexts/archives.ts";
import { createInstallation } from "./serving.ts";

/** What the system lets this process open, less what it has open anyway; Node raises the soft limit by itself. */
const maxSockets = Number(/^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]) - 500;
const count = Math.min(10_000, maxSockets);
const atOnce = 250;
/** What the server lets one address have: half of the 16 384 connections that it holds. */
const ofOneAddress = 8192;
/** A server with nothing to do has a third of it. */
const maxMegabytes = 400;

const heads = [
  "POST /build HTTP/1.1\r\nHost: x\r\nContent-Le",
  `POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n${"x".repeat(1000)}`,
];

/** Connections of one address that say half of something and then nothing. */
interface Crowd extends Disposable {
  readonly open: number;
  /** Cut without a word: there was no place for them. */
  readonly refused: number;
  /** Told that they were too slow: their places went to others. */
  readonly givenUp: number;
  /** Waits until no more are open than so many. */
  untilOpen(max: number): Promise<void>;
}

/** Opens a crowd. */
async function openCrowd(port: number): Promise<Crowd> {
  const sockets: Socket[] = [];
  const closed = new EventEmitter();
  const crowd = { open: 0, refused: 0, givenUp: 0 };
  const openOne = async (number: number) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.1" });
    sockets.push(socket);
    crowd.open += 1;
    // The server may cut it at any time.
    socket.on("error", () => {}).resume();
    socket.once("close", () => {
      crowd.open -= 1;
      if (socket.bytesRead === 0) crowd.refused += 1;
      else crowd.givenUp += 1;
      closed.emit("one");
    });
    socket.write(heads[number % heads.length] ?? "");
    await Promise.race([once(socket, "connect"), once(socket, "close")]).catch(() => {});
  };
  for (let number = 0; number < count; number += atOnce) {
    const some = Array.from({ length: Math.min(atOnce, count - number) }, (_, at) => openOne(number + at));
    await Promise.all(some);
  }
  return Object.assign(crowd, {
    async untilOpen(max: number) {
      while (crowd.open > max) await once(closed, "one");
    },
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy();
    },
  });
}

/** Asks the server from another address of this machine. */
async function askFromElsewhere(
  address: string,
  path: string,
  body?: Buffer,
): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const method = body ? "POST" : "GET";
  const request = httpRequest(`${address}${path}`, { method, agent: false, localAddress: "127.0.0.2" });
  request.once("error", reject).once("response", async (response) => {
    const text = (await response.setEncoding("utf8").toArray()).join("");
    resolve({ status: response.statusCode ?? 0, text });
  });
  request.end(body);
  return promise;
}

test(`T26 ${count} connections that say half of something are bounded, and others are served meanwhile`, async () => {
  await using installation = await createInstallation();
  const { address, process: server } = await installation.start();
  const port = Number(new URL(address).port);
  {
    using crowd = await openCrowd(port);
    await crowd.untilOpen(ofOneAddress);
    // Where it takes long to open so many, the server gives the first ones up meanwhile.
    const tooMany = Math.max(0, count - ofOneAddress);
    if (crowd.givenUp === 0) expect(crowd.refused).toBe(tooMany);
    else expect(crowd.refused).toBeLessThanOrEqual(tooMany);
    expect(await askFromElsewhere(address, "/healthz")).toEqual({ status: 200, text: "OK" });
    const body = archive(
      { name: "context/Dockerfile", body: "FROM busybox\n" },
      { name: "com.openfaas.docker.config", body: `{"image":"${inject("registry")}/crowd/x:1"}` },
    );
    const built = await askFromElsewhere(address, "/build", body);
    expect([built.status, JSON.parse(built.text)]).toMatchObject([200, { status: "success" }]);
    const status = readFileSync(`/proc/${server.pid}/status`, "utf8");
    expect(Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024).toBeLessThan(maxMegabytes);
  }
  const ask = () => fetch(`${address}/healthz`).then(({ status }) => status, String);
  await expect.poll(ask, { timeout: 20_000 }).toBe(200);
});
