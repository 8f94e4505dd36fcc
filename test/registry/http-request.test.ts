import { createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { readBody } from "../../src/registry/body.ts";
import { sendHttp } from "../../src/registry/http-request.ts";
import { startHttpServer } from "./http-server.ts";

const signal = AbortSignal.timeout(60_000);

/** Answers the first request of each connection, and closes it at the second one. */
async function startForgetful(): Promise<{ url: URL; connections(): number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let requests = 0;
    socket.on("error", () => {});
    socket.on("data", () => {
      requests += 1;
      if (requests === 1) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok");
      else socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  return { url: new URL(`http://127.0.0.1:${port}/`), connections: () => sockets.size };
}

test("a connection that was closed while it waited for its next request is no fault", async () => {
  const { url, connections } = await startForgetful();
  for (const _request of [1, 2]) {
    const answer = await sendHttp(url, { method: "GET", signal });
    expect((await readBody(answer, 10)).toString()).toBe("ok");
  }
  expect(connections()).toBe(2);
});

test("redirects are followed for so long, and only by questions", async () => {
  await using server = await startHttpServer((_, response) => response.writeHead(307, { location: "/again" }).end());
  const url = new URL(`http://${server.host}/`);
  await expect(sendHttp(url, { method: "GET", redirect: "follow", signal })).rejects.toThrow("more than 5 times");
  const answer = await sendHttp(url, { method: "PUT", redirect: "follow", body: Buffer.from("x"), signal });
  answer.discard();
  expect(answer.status).toBe(307);
});

test("W16 a redirect leads to no other kind of address", async () => {
  await using server = await startHttpServer((_, response) =>
    response.writeHead(302, { location: "file:///etc/passwd" }).end(),
  );
  const url = new URL(`http://${server.host}/`);
  await expect(sendHttp(url, { method: "GET", redirect: "follow", signal })).rejects.toThrow("file: is no way");
});
