import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { listen } from "../../src/server/listen.ts";

test("T26 connections above the bound are cut at once, and those before them are served", async () => {
  const listening = await listen((_request, response) => void response.end("ok"), {
    host: "127.0.0.1",
    port: 0,
    maxConnections: 3,
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

function listeningFailed(): never {
  throw new Error("no connection");
}
