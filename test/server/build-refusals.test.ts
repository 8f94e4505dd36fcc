import { Agent, request as httpRequest } from "node:http";
import { describe, expect, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { archive, type Member } from "../contexts/archives.ts";
import { refused } from "../contexts/refused-members.ts";
import { type BuildServer, serveBuilds } from "./build-requests.ts";

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
