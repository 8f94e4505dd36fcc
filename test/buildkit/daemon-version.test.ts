import { expect, test } from "vitest";
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
