import { createServer as createHttpServer } from "node:http";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { expect, inject, test } from "vitest";
import { answersHttp2 } from "../../src/parts/answers.ts";
import { makeFolder } from "./scratch.ts";

const signal = AbortSignal.timeout(60_000);

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return `tcp://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
}

test("buildkitd answers", async () => {
  expect(await answersHttp2(inject("buildkit"), { signal })).toBe(true);
});

test("a server of another kind does not", async () => {
  await using server = createHttpServer((_, response) => response.end("hello"));
  expect(await answersHttp2(await listen(server), { signal })).toBe(false);
});

test("nobody does not, on a port or on a socket", async () => {
  await using scratch = await makeFolder();
  const server = createServer();
  const address = await listen(server);
  await server[Symbol.asyncDispose]();
  expect(await answersHttp2(address, { signal })).toBe(false);
  expect(await answersHttp2(`unix://${join(scratch.folder, "none.sock")}`, { signal })).toBe(false);
});

test("a server that says nothing is waited for as long as the caller wants", async () => {
  const controller = new AbortController();
  await using server = createServer((socket) => {
    socket.on("error", () => {}).on("end", () => socket.destroy());
    socket.once("data", () => controller.abort());
  });
  expect(await answersHttp2(await listen(server), { signal: controller.signal })).toBe(false);
  expect(await answersHttp2("tcp://127.0.0.1:1", { signal: controller.signal })).toBe(false);
});
