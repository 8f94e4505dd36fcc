import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { archive, type Member } from "../contexts/archives.ts";
import { textOf } from "../contexts/scratch.ts";
import { begin, serveBuilds } from "./build-requests.ts";

/* Bodies whose length nobody has said: they come in chunks until they end. */
const config: Member = { name: "com.openfaas.docker.config", body: '{"image":"r/x:1"}' };
const dockerfile: Member = { name: "context/Dockerfile", body: "FROM busybox" };

describe("a body in chunks", () => {
  test("T26 is built to its end", async () => {
    const last = "the last file";
    let seen = "";
    await using server = await serveBuilds({
      async build({ context }) {
        seen = await textOf(context, "last");
      },
    });
    const large: Member = { name: "context/large", body: Buffer.alloc(3_000_000, "x") };
    const body = archive(config, dockerfile, large, { name: "context/last", body: last });
    const { request, response } = begin(server, { "transfer-encoding": "chunked" });
    for (let at = 0; at < body.length; at += 100_000) {
      if (!request.write(body.subarray(at, at + 100_000))) await once(request, "drain");
    }
    request.end();
    const answer = await response;
    expect(JSON.parse((await answer.setEncoding("utf8").toArray()).join(""))).toMatchObject({ status: "success" });
    expect(seen).toBe(last);
    expect(await server.leftovers()).toEqual([]);
  });

  test("T26 that grows larger than allowed is refused while it still comes", async () => {
    await using server = await serveBuilds({ limits: { maxBodyBytes: 100_000 } });
    const { request, response } = begin(server, { "transfer-encoding": "chunked", connection: "keep-alive" });
    const { promise: answered, resolve } = Promise.withResolvers<void>();
    void response.then(() => resolve());
    let isAnswered = false;
    void answered.then(() => {
      isAnswered = true;
    });
    // It never ends: only a server that answers before can be heard.
    const piece = Buffer.alloc(1_000_000);
    while (!isAnswered) {
      if (!request.write(piece)) await Promise.race([once(request, "drain"), answered]);
      await new Promise(setImmediate);
    }
    const answer = await response;
    expect(answer.statusCode).toBe(413);
    expect((await answer.setEncoding("utf8").toArray()).join("")).toContain("larger than 100000 bytes");
    expect(await server.leftovers()).toEqual([]);
    expect(server.orders).toEqual([]);
    request.destroy();
  });
});
