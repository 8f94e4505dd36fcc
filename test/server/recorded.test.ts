import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { parseBoxKey } from "../../src/server/box-keys.ts";
import { pathsOf } from "../contexts/scratch.ts";
import { serveBuilds } from "./build-requests.ts";
import recorded from "./recorded/requests.json" with { type: "json" };

/*
 * What real faas-cli programs sent for this repository's own functions, byte for byte; scripts/record-faas-cli.ts makes
 * the recordings. Each is replayed to the route as it came over the wire.
 */
const registry = "registry.example.com";
const { payloadSecret, box, secrets, requests } = recorded;

/** What each command line of the recordings asks for. */
const shout = {
  image: `${registry}/shout:0.1`,
  paths: ["Dockerfile", "function", "function/handler.sh", "index.cgi", "template.yml"],
};
const stamp = { image: `${registry}/stamp:0.1`, paths: ["Dockerfile"] };
const expected: Readonly<Record<string, object>> = {
  publish: shout,
  "publish-parallel-hello": { image: `${registry}/hello:0.1`, paths: ["Dockerfile", "index.html"] },
  "publish-parallel-shout": shout,
  "publish-parallel-stamp": stamp,
  up: stamp,
  "publish-platforms": {
    image: `${registry}/hello:0.1`,
    platforms: ["linux/amd64", "linux/arm64"],
    paths: ["Dockerfile", "index.html"],
  },
  build: {
    image: `${registry}/stamp:0.1`,
    buildArgs: { ADDITIONAL_PACKAGE: "", GREETING: "built by of-builder", RELEASE: "1.10" },
    platforms: [],
    paths: ["Dockerfile"],
  },
  "publish-secrets": { image: `${registry}/hello:0.1`, secrets, paths: ["Dockerfile", "index.html"] },
};

/** Sends bytes as they are, and answers all that comes back. */
async function replay(url: string, bytes: Buffer): Promise<{ head: string; body: string }> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let answer = "";
  // The Go client keeps the connection; it is closed here as soon as the answer is complete.
  for await (const chunk of socket.setEncoding("latin1").on("connect", () => socket.write(bytes))) {
    answer += chunk;
    if (isComplete(answer)) break;
  }
  const at = answer.indexOf("\r\n\r\n");
  return { head: answer.slice(0, at), body: answer.slice(at + 4) };
}

function isComplete(answer: string): boolean {
  const at = answer.indexOf("\r\n\r\n");
  const length = /^content-length: (\d+)/im.exec(answer)?.[1];
  return at > 0 && (length === undefined ? answer.endsWith("\r\n0\r\n\r\n") : answer.length >= at + 4 + Number(length));
}

test.for(requests)("the recorded request of faas-cli $version is built: $commandLine", async ({ file, version }) => {
  const bytes = await readFile(new URL(`recorded/${file}`, import.meta.url));
  let seen: object = {};
  await using server = await serveBuilds({
    secret: async () => payloadSecret,
    boxKeys: async () => [parseBoxKey(box.secretKey, "the recorded key")],
    async build({ context, secrets: opened = {}, ...order }) {
      const texts = Object.entries(opened).map(([id, value]) => [id, Buffer.from(value).toString()]);
      seen = { ...order, secrets: Object.fromEntries(texts), paths: await pathsOf(context) };
      return "sha256:digest";
    },
  });
  const { head, body } = await replay(server.url, bytes);
  const command = file.slice(version.length + 1).replace(/\.request$/, "");
  expect(head).toMatch(/^HTTP\/1\.1 200 OK/);
  expect(seen).toMatchObject(expected[command] ?? { image: "no such command" });
  expect(body).toMatch(/"status":"success"/);
  expect(head).toMatch(bytes.includes("application/x-ndjson") ? /application\/x-ndjson/ : /application\/json/);
  expect(await server.leftovers()).toEqual([]);
});

const parallel = Map.groupBy(requests, ({ version, commandLine }) => `faas-cli ${version}: ${commandLine}`);

test.for([...parallel].filter(([, { length }]) => length > 1))(
  "requests that one command line sent at the same time are all built, %s",
  async ([, sent]) => {
    const bodies = await Promise.all(sent.map(({ file }) => readFile(new URL(`recorded/${file}`, import.meta.url))));
    const { promise: allThere, resolve } = Promise.withResolvers<void>();
    await using server = await serveBuilds({
      secret: async () => payloadSecret,
      async build() {
        if (server.orders.length === bodies.length) resolve();
        await allThere;
      },
    });
    const answers = await Promise.all(bodies.map((bytes) => replay(server.url, bytes)));
    for (const { body } of answers) expect(body).toMatch(/"status":"success"/);
    const images = ["hello", "shout", "stamp"].map((name) => `${registry}/${name}:0.1`);
    expect(server.orders.map(({ image }) => image).sort()).toEqual(images);
  },
);

test.for(requests)("the same request with one byte changed is refused: $file", async ({ file }) => {
  const bytes = await readFile(new URL(`recorded/${file}`, import.meta.url));
  const at = bytes.indexOf("\r\n\r\n") + 4 + 600;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await using server = await serveBuilds({ secret: async () => payloadSecret });
  expect((await replay(server.url, bytes)).head).toMatch(/^HTTP\/1\.1 401 /);
  expect(server.orders).toEqual([]);
});
