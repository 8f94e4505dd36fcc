import { once } from "node:events";
import { Agent, createServer, request as httpRequest, type RequestListener } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { lingerOnBody } from "../../src/server/body-rest.ts";
import { archive, type Member } from "../contexts/archives.ts";
import { refused } from "../contexts/refused-members.ts";
import { type BuildServer, post, serveBuilds } from "./build-requests.ts";

/*
 * What POST /build refuses, as a client hears it that keeps its connection: it is told what is wrong, nothing is built
 * and nothing stays on disk, and the next request goes over the same connection.
 */
const config: Member = { name: "com.openfaas.docker.config", body: '{"image":"r/x:1"}' };
const dockerfile: Member = { name: "context/Dockerfile", body: "FROM busybox" };
const good = archive(dockerfile, config);

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly text: string;
  /** Whether it came over the connection of the request before. */
  readonly isSameConnection: boolean;
}

/** A client that has one connection. */
function createClient({ url }: BuildServer) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    async post(body: Buffer): Promise<Answer> {
      const request = httpRequest(`${url}/build`, {
        method: "POST",
        agent,
        headers: { "content-length": body.length },
      });
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      request.once("error", reject).once("response", async (response) => {
        const text = (await response.setEncoding("utf8").toArray()).join("");
        const { statusCode: status = 0, headers } = response;
        resolve({ status, retryAfter: headers["retry-after"], text, isSameConnection: request.reusedSocket });
      });
      request.end(body);
      return promise;
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}

describe("an archive is refused over HTTP that holds", () => {
  test.for(refused)("%s", async ([, members, message]) => {
    await using server = await serveBuilds();
    using client = createClient(server);
    const answer = await client.post(archive(config, dockerfile, ...members));
    expect(answer).toMatchObject({ status: 400, isSameConnection: false });
    const { log, status, error, fix } = JSON.parse(answer.text);
    expect(error).toMatch(withoutPlaces(message));
    expect([log, status, fix]).toEqual([null, `unexpected failure: ${error}`, expect.any(String)]);
    expect(await server.leftovers()).toEqual([]);
    expect(server.orders).toEqual([]);
    expect(await client.post(good)).toMatchObject({ status: 200, isSameConnection: true });
  });
});

/** Two members stand before those of the table here: places in the archive are others. */
function withoutPlaces({ source }: RegExp): RegExp {
  return new RegExp(source.replaceAll(/at byte [\d\\]\S*/g, "at byte \\d+"));
}

describe("a server that is stopping", () => {
  const stopping = AbortSignal.abort(new BuilderError("stopping", "of-builder is stopping"));

  test("says so, and when to come again, once it has read the body", async () => {
    await using server = await serveBuilds({ stopping });
    using client = createClient(server);
    const large = archive(dockerfile, config, { name: "context/large", body: Buffer.alloc(5_000_000) });
    for (const isSameConnection of [false, true]) {
      const answer = await client.post(large);
      expect(answer).toMatchObject({ status: 503, retryAfter: "30", isSameConnection });
      expect(JSON.parse(answer.text)).toMatchObject({ log: null, image: "", error: "of-builder is stopping" });
    }
    expect(await server.leftovers()).toEqual([]);
    expect(server.orders).toEqual([]);
  });

  test("says so in the form of 2019 where that is set", async () => {
    await using server = await serveBuilds({ stopping, legacyStatus: "json" });
    using client = createClient(server);
    const { status, text } = await client.post(good);
    expect([status, JSON.parse(text)]).toMatchObject([500, { status: "unexpected failure: of-builder is stopping" }]);
  });
});

test("a server that leaves says so at once, though a build takes its time to end, and tells nothing after that", async () => {
  const leaving = new AbortController();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  await using server = await serveBuilds({
    leaving: leaving.signal,
    async build(_order, { onEvent }) {
      leaving.abort(new BuilderError("stopping", "of-builder is stopping"));
      await released;
      onEvent({ kind: "log", vertex: "x", stream: "stdout", timestamp: 0, text: "too late" });
    },
  });
  const { text } = await post(server, good, { accept: "application/x-ndjson" });
  const records = text.trim().split("\n");
  expect(records.map((record) => JSON.parse(record).status)).toEqual(["failed"]);
  expect(records.at(-1)).toContain('"error":"of-builder is stopping"');
  // The build has its archive for as long as it runs.
  expect(await server.leftovers()).toHaveLength(1);
  release();
  await expect.poll(() => server.leftovers()).toEqual([]);
});

describe("a client that only reads when it has written everything", () => {
  /** Writes without reading, piece by piece as there is room. */
  async function writeAll(socket: Socket, bytes: number): Promise<void> {
    const piece = Buffer.alloc(1024 * 1024);
    for (let written = 0; written < bytes; written += piece.length) {
      if (!socket.write(piece.subarray(0, bytes - written))) await once(socket, "drain");
    }
  }

  test("is answered however much that is, and goes on over the same connection", async () => {
    await using server = await serveBuilds();
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    const large = 150_000_000;
    socket.write(`POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: ${large}\r\n\r\n`);
    await writeAll(socket, large);
    socket.write(`POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: ${good.length}\r\nConnection: close\r\n\r\n`);
    socket.write(good);
    const text = (await socket.setEncoding("latin1").toArray()).join("");
    expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(["413", "200"]);
    expect(server.orders).toHaveLength(1);
  });

  test("is cut off where it writes without end", async () => {
    await using server = await serveRaw((request, response) => {
      lingerOnBody(request, { limitMs: 50 });
      response.end("refused");
    });
    const socket = connect(server.port, "127.0.0.1").on("error", () => {});
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nx");
    const text = (
      await socket
        .setEncoding("latin1")
        .toArray()
        .catch(() => [])
    ).join("");
    expect(text).toContain("refused");
  });
});

/** Serves one handler, without the route. */
async function serveRaw(handle: RequestListener): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer(handle).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  // Ends only when every connection has.
  return { port, [Symbol.asyncDispose]: () => new Promise((done) => void server.close(() => done())) };
}
