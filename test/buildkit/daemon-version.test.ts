import { expect, test } from "vitest";
import { parseAddress } from "../../src/buildkit/address.ts";
import { checkVersion } from "../../src/buildkit/daemon-version.ts";

test.for([
  ["v0.31.2", true],
  ["0.31.10", true],
  ["v0.34.2-dirty", true],
  ["v1.0.0", true],
  ["v0.32.0-rc1", true],
  ["v0.31.2-rc1", false],
  ["v0.31.1", false],
  ["v0.4.0", false],
  ["v0.0.0+unknown", false],
  ["", false],
] as const)("version %j is new enough: %j", ([version, isEnough]) => {
  const check = () => checkVersion(version, "unix:///x");
  if (isEnough) expect(check()).toBeUndefined();
  else expect(check).toThrow(expect.objectContaining({ code: "buildkit_refused" }));
});

test.for(["", "buildkit", "127.0.0.1:1234", "tcp://host", "http://host:1", "unix://", "docker://", "ssh://x"])(
  "%j is refused as an address",
  (address) => {
    expect(() => parseAddress(address)).toThrow(expect.objectContaining({ code: "setting_invalid" }));
  },
);

test.for([
  ["tcp://127.0.0.1:1234", "127.0.0.1:1234"],
  ["tcp://[::1]:1234", "[::1]:1234"],
  ["tcp://build-kit.example:80", "build-kit.example:80"],
  ["unix:///run/buildkit/buildkitd.sock", "localhost"],
] as const)("%j is an address", ([address, authority]) => {
  expect(parseAddress(address)).toMatchObject({ address, authority });
});
