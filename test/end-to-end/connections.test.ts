import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { expect, inject, test } from "vitest";
import { archive } from "../contexts/archives.ts";
import { createInstallation } from "./serving.ts";

/** What the system lets this process open, less what it has open anyway; Node raises the soft limit by itself. */
const maxFiles = Number(/^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]);
const count = Math.min(10_000, maxFiles - 500);
const atOnce = 250;
/** A server with nothing to do has a third of it. */
const maxMegabytes = 400;

const heads = [
  "POST /build HTTP/1.1\r\nHost: x\r\nContent-Le",
  `POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n${"x".repeat(1000)}`,
];

/** Opens a connection that says half of something and then nothing. */
function openHalf(port: number, number: number): Promise<Socket> {
  const { promise, resolve } = Promise.withResolvers<Socket>();
  const socket = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.1" });
  const settle = () => resolve(socket);
  socket.once("connect", settle).once("close", settle);
  // The server may cut it at any time.
  socket.on("error", settle).resume();
  socket.write(heads[number % heads.length] ?? "");
  return promise;
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
  const sockets: Socket[] = [];
  try {
    for (let number = 0; number < count; number += atOnce) {
      const some = Array.from({ length: Math.min(atOnce, count - number) }, (_, at) => openHalf(port, number + at));
      sockets.push(...(await Promise.all(some)));
    }
    expect(sockets).toHaveLength(count);
    // Half of the 4096 that it takes are one address's.
    if (count > 4096) {
      await expect
        .poll(() => sockets.filter(({ destroyed }) => !destroyed).length, { timeout: 20_000 })
        .toBeLessThan(2100);
    }
    expect(await askFromElsewhere(address, "/healthz")).toEqual({ status: 200, text: "OK" });
    const body = archive(
      { name: "context/Dockerfile", body: "FROM busybox\n" },
      { name: "com.openfaas.docker.config", body: `{"image":"${inject("registry")}/crowd/x:1"}` },
    );
    const built = await askFromElsewhere(address, "/build", body);
    expect([built.status, JSON.parse(built.text)]).toMatchObject([200, { status: "success" }]);
    const status = readFileSync(`/proc/${server.pid}/status`, "utf8");
    expect(Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024).toBeLessThan(maxMegabytes);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  const ask = () => fetch(`${address}/healthz`).then(({ status }) => status, String);
  await expect.poll(ask, { timeout: 20_000 }).toBe(200);
});
