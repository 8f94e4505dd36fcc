import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http2 from "node:http2";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import type { Header } from "../../src/buildkit/hpack.ts";
import { Http2Connection } from "../../src/buildkit/http2-connection.ts";
import { SocketOutlet } from "../../src/buildkit/socket-outlet.ts";

/** Two sockets that are connected. */
async function createSockets(): Promise<[Socket, Socket]> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [accepted] = (await once(server, "connection")) as [Socket];
  onTestFinished(() => {
    client.destroy();
    accepted.destroy();
    server.close();
  });
  return [client, accepted];
}

test("node's own client of HTTP/2 and our server understand each other: a megabyte each way", async () => {
  const [theirs, ours] = await createSockets();
  const outlet = new SocketOutlet(ours, () => connection.pump());
  const connection = new Http2Connection("server", {
    outlet,
    windowBytes: 1024 * 1024,
    streamWindowBytes: 100_000,
    onEnd: () => outlet.end(),
    onHeaders(stream, { headers }) {
      stream.respond([
        [":status", "200"],
        ["told", new Map(headers).get("asked") ?? ""],
      ]);
      const onBytes = (chunk: Buffer, start: number, end: number) =>
        stream.write(Buffer.from(chunk.subarray(start, end)));
      stream.listen({ onBytes, onEnd: () => stream.finish([["grpc-status", "0"]]) });
    },
  });
  ours.on("data", (chunk) => connection.receive(chunk, 0, chunk.length));
  ours.on("close", () => connection.close(new Error("closed")));
  const client = http2.connect("http://localhost", { createConnection: () => theirs });
  onTestFinished(() => void client.destroy());
  const sent = randomBytes(1_000_000);
  const stream = client.request({ ":method": "POST", ":path": "/a.B/C", asked: "something" });
  const answered = once(stream, "response");
  const trailed = once(stream, "trailers");
  stream.end(sent);
  expect((await answered)[0]).toMatchObject({ ":status": 200, told: "something" });
  const [received, [trailers]] = await Promise.all([buffer(stream), trailed]);
  expect(received.equals(sent)).toBe(true);
  expect(trailers).toMatchObject({ "grpc-status": "0" });
});

test("our client and node's own server of HTTP/2 understand each other", async () => {
  const [ours, theirs] = await createSockets();
  const server = http2.performServerHandshake(theirs);
  onTestFinished(() => void server.destroy());
  server.on("stream", (stream, headers) => {
    stream.respond({ ":status": 200, told: String(headers.asked) }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.once("data", (chunk: Buffer) => stream.end(Buffer.alloc(500_000, chunk)));
  });
  const heard: Header[] = [];
  const done = Promise.withResolvers<void>();
  const outlet = new SocketOutlet(ours, () => connection.pump());
  const connection = new Http2Connection("client", {
    outlet,
    windowBytes: 200_000,
    streamWindowBytes: 100_000,
    onEnd: () => outlet.end(),
  });
  ours.on("data", (chunk) => connection.receive(chunk, 0, chunk.length));
  const stream = connection.request([
    [":method", "POST"],
    [":scheme", "http"],
    [":authority", "localhost"],
    [":path", "/a.B/C"],
    ["asked", "something"],
  ]);
  let bytes = 0;
  stream.listen({
    onHeaders: (headers) => void heard.push(...headers),
    onBytes: (_, start, end) => {
      bytes += end - start;
    },
    onEnd: () => done.resolve(),
  });
  stream.write(Buffer.from("x"));
  await done.promise;
  expect(bytes).toBe(500_000);
  expect(heard).toEqual(
    expect.arrayContaining([
      [":status", "200"],
      ["told", "something"],
      ["grpc-status", "0"],
    ]),
  );
});
