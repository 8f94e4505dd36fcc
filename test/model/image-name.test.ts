import { expect, test } from "vitest";
import { checkImageName, hostOf, imageOfStack, repositoryOf } from "../../src/model/image-name.ts";

test.for([
  ["func", "func:latest"],
  ["localhost:5000/me/func", "localhost:5000/me/func:latest"],
  ["me/func:0.1", "me/func:0.1"],
])("the stack's image %s is pushed as %s", ([image = "", name]) => {
  expect(imageOfStack(image)).toBe(name);
});

test.for([
  "",
  "UPPER/case",
  "a b",
  "a//b",
  "../x",
  "a:t:u",
  "a@sha256:00",
  "-a",
  "a/",
  `a:${"t".repeat(129)}`,
  "é",
  `${"a".repeat(256)}`,
  "a\nb",
])("S7 the image name %j is refused", (image) => {
  expect(() => imageOfStack(image)).toThrow(expect.objectContaining({ code: "name_invalid" }));
});

test("S7 a name with host, port and path is accepted as it is", () => {
  expect(checkImageName("registry.local:5000/foo/bar:latest")).toBe("registry.local:5000/foo/bar:latest");
});

test.for([
  ["hello", "docker.io", "hello"],
  ["me/hello:1", "docker.io", "me/hello"],
  ["ghcr.io/me/hello:1", "ghcr.io", "ghcr.io/me/hello"],
  ["localhost/hello", "localhost", "localhost/hello"],
  ["registry:5000/hello:1", "registry:5000", "registry:5000/hello"],
])("the image %s lies in the registry %s, in the repository %s", ([image = "", host, repository]) => {
  expect(hostOf(image)).toBe(host);
  expect(repositoryOf(image)).toBe(repository);
});
