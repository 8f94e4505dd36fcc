import { once } from "node:events";
import type { RequestListener } from "node:http";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { listen } from "../../src/server/listen.ts";

test("T26 connections above the bound are cut at once, and those before them are served", async () => {
  const listening = await listen((_request, response) => void response.end("ok"), {
    host: "127.0.0.1",
    port: 0,
    maxConnections: 6,
  });
  const port = Number(new URL(listening.url).port);
  const open = async () => {
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    await once(socket, "connect");
    return socket;
  };
  const held = [await open(), await open(), await open()];
  try {
    for (let more = 0; more < 20; more++) await once(await open(), "close");
    held[0]?.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const [chunk] = await once(held[0] ?? listeningFailed(), "data");
    expect(String(chunk)).toContain("HTTP/1.1 200 OK");
  } finally {
    for (const socket of held) socket.destroy();
    await listening.close({ limitMs: 1000 });
  }
});

test("T26 one address gets half of the connections, so that others are still served", async () => {
  const answer: RequestListener = (_request, response) => void response.end("ok");
  const listening = await listen(answer, { host: "127.0.0.1", port: 0, maxConnections: 4 });
  const port = Number(new URL(listening.url).port);
  const held: Socket[] = [];
  try {
    for (const localAddress of ["127.0.0.1", "127.0.0.1", "127.0.0.2"]) {
      const socket = connect({ port, host: "127.0.0.1", localAddress }).on("error", () => {});
      await once(socket, "connect");
      held.push(socket);
    }
    const refused = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.1" }).on("error", () => {});
    await once(refused, "close");
    held[2]?.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const [chunk] = await once(held[2] ?? listeningFailed(), "data");
    expect(String(chunk)).toContain("HTTP/1.1 200 OK");
    held[0]?.destroy();
    // Its place is free as soon as the server has heard of it.
    await expect
      .poll(() => fetch(listening.url, { headers: { connection: "close" } }).then(({ status }) => status, String))
      .toBe(200);
  } finally {
    for (const socket of held) socket.destroy();
    await listening.close({ limitMs: 1000 });
  }
});

test("T26 a head that does not arrive is given up", async () => {
  const answer: RequestListener = (_request, response) => void response.end("ok");
  const listening = await listen(answer, { host: "127.0.0.1", port: 0, headersTimeoutMs: 50 });
  const socket = connect(Number(new URL(listening.url).port), "127.0.0.1");
  try {
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n");
    const text = (await socket.toArray()).join("");
    expect(text).toContain("HTTP/1.1 408");
  } finally {
    socket.destroy();
    await listening.close({ limitMs: 1000 });
  }
});

function listeningFailed(): never {
  throw new Error("no connection");
}
