import { expect, test } from "vitest";
import { parseAddress } from "../../src/buildkit/address.ts";

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
