import { expect, test } from "vitest";
import { isDockerHub, isLoopback, parseReference } from "../../src/registry/reference.ts";

const hub = "registry-1.docker.io";
const digest = `sha256:${"ab".repeat(32)}`;

test.for([
  ["busybox", hub, "library/busybox", "latest"],
  ["busybox:1.36", hub, "library/busybox", "1.36"],
  ["alice/hello", hub, "alice/hello", "latest"],
  ["docker.io/alice/hello:v1", hub, "alice/hello", "v1"],
  ["index.docker.io/busybox", hub, "library/busybox", "latest"],
  ["localhost/hello", "localhost", "hello", "latest"],
  ["registry:5000/alice/hello", "registry:5000", "alice/hello", "latest"],
  ["127.0.0.1:5000/a/b/c:dev", "127.0.0.1:5000", "a/b/c", "dev"],
  ["[::1]:5000/hello", "[::1]:5000", "hello", "latest"],
  ["ghcr.io/alice/hello:1", "ghcr.io", "alice/hello", "1"],
  [`ghcr.io/alice/hello@${digest}`, "ghcr.io", "alice/hello", digest],
  [`ghcr.io/alice/hello:1@${digest}`, "ghcr.io", "alice/hello", digest],
])("%s is asked for at its registry", ([image = "", host, repository, reference]) => {
  expect(parseReference(image)).toEqual({ host, repository, reference });
});

test.for([
  "",
  ":latest",
  "hello:",
  "Alice/hello",
  "alice//hello",
  "../../etc/passwd",
  "registry:5000/../v2/_catalog",
  "registry:5000/",
  "registry:5000/hello?x=y",
  "registry:5000/hello#x",
  "reg istry:5000/hello",
  "user@registry:5000/hello",
  "registry:999999/hello",
  "hello@sha256:abc",
  `hello@${digest}@${digest}`,
  `hello:${"x".repeat(129)}`,
  "a".repeat(256),
])("S7 image name %j is refused", (image) => {
  expect(() => parseReference(image)).toThrow(expect.objectContaining({ code: "name_invalid" }));
});

test.for([
  ["127.0.0.1:5000", true],
  ["127.9.9.9", true],
  ["localhost:5000", true],
  ["[::1]:5000", true],
  ["127.0.0.1.example.com", false],
  ["localhost.example.com:5000", false],
  ["10.0.0.1:5000", false],
] as const)("%s is this machine: %s", ([host, expected]) => {
  expect(isLoopback(host)).toBe(expected);
});

test("Docker Hub is known by all its names, and by no other", () => {
  expect(["docker.io", "index.docker.io", hub, "Docker.io"].every(isDockerHub)).toBe(true);
  expect(["docker.io.example.com", "mydocker.io", ""].some(isDockerHub)).toBe(false);
});
