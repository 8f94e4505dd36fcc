import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "vitest";
import { parseAddress } from "../../src/buildkit/address.ts";
import { createBuildkit } from "../../src/buildkit/client.ts";
import { createLog } from "../../src/log.ts";

test.for([
  "",
  "buildkit",
  "127.0.0.1:1234",
  "tcp://host",
  "http://host:1",
  "unix://",
  "docker://host",
  "ssh://x",
  "tcp://",
])("%j is refused as an address", (address) => {
  expect(() => parseAddress(address)).toThrow(expect.objectContaining({ code: "setting_invalid" }));
});

test.for([
  ["tcp://127.0.0.1:1234", "http://127.0.0.1:1234"],
  ["tcp://[::1]:1234", "http://[::1]:1234"],
  ["tcp://build-kit.example:80", "http://build-kit.example:80"],
  ["unix:///run/buildkit/buildkitd.sock", "http://localhost"],
  ["docker://", "http://localhost"],
  ["docker:///run/user/1/docker.sock", "http://localhost"],
  ["docker://engine.example:2375", "http://engine.example:2375"],
] as const)("%j is an address", ([address, origin]) => {
  expect(parseAddress(address)).toMatchObject({ address, origin });
});

test("with TLS files a port is spoken to over TLS, and a socket never is", () => {
  const tls = { serverName: "buildkit.example" };
  expect(parseAddress("tcp://10.0.0.1:1234", { tls }).origin).toBe("https://10.0.0.1:1234");
  expect(parseAddress("docker://10.0.0.1:2376", { tls }).origin).toBe("https://10.0.0.1:2376");
  expect(parseAddress("unix:///run/buildkit/buildkitd.sock", { tls }).origin).toBe("http://localhost");
});

test.for([
  ["docker", undefined, "at once"],
  ["docker", undefined, "HTTP/1.1 400 Bad Request\r\n\r\nno"],
  ["docker", undefined, "HTTP/1.1 101 UPGRADED\r\n\r\n"],
  ["docker", {}, "at once"],
  ["tcp", {}, "at once"],
  ["tcp", {}, "no TLS at all"],
] as const)(
  "a connection that is reset while it is made ready is an error of the caller's, %s %j %j",
  async ([kind, tls, words]) => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () =>
        words === "at once" ? socket.resetAndDestroy() : socket.write(words, () => socket.resetAndDestroy()),
      );
    });
    await new Promise<void>((settle) => server.listen(0, "127.0.0.1", settle));
    const { port } = server.address() as AddressInfo;
    const client = createBuildkit({ address: `${kind}://127.0.0.1:${port}`, tls, log: createLog("silent") });
    const signal = AbortSignal.timeout(60_000);
    // What nobody hears would end this process.
    for (let round = 0; round < 20; round++) {
      const code = expect.stringMatching(/^buildkit_(?:unreachable|refused)$/);
      await expect(client.check({ signal })).rejects.toMatchObject({ code });
    }
    const endpoint = parseAddress(`${kind}://127.0.0.1:${port}`, { tls });
    const sockets = await Promise.allSettled(Array.from({ length: 20 }, () => endpoint.dial({ signal })));
    for (const dialled of sockets) if (dialled.status === "fulfilled") dialled.value.destroy();
    await new Promise((settle) => server.close(settle));
  },
);
