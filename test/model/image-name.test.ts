import { expect, test } from "vitest";
import { checkImageName, imageOfPush, imageOfStack } from "../../src/model/image-name.ts";

const push = {
  owner: "alexellis",
  repository: "go-fns-tester",
  branch: "master",
  sha: "04b8e44988f2a5e4b2a14a4d8ea0ea9d9a0b0000",
};

test.for([
  ["registry:5000", "func:0.2", "registry:5000/alexellis/go-fns-tester-func:0.2-master-04b8e44"],
  ["registry:5000", "alexellis2/func", "registry:5000/alexellis/go-fns-tester-func:latest-master-04b8e44"],
  [
    "docker.io/of-community/",
    "alexellis2/func",
    "docker.io/of-community/alexellis-go-fns-tester-func:latest-master-04b8e44",
  ],
] as const)("%s and image %s give OpenFaaS Cloud's name %s", ([registry, image, name]) => {
  expect(imageOfPush({ registry, image, push })).toBe(name);
});

test("owner and repository are lower-cased, a branch with slashes fits into the tag", () => {
  const name = imageOfPush({
    registry: "r",
    image: "fn",
    push: { ...push, owner: "Alex", repository: "Fns", branch: "feature/über x" },
  });
  expect(name).toBe("r/alex/fns-fn:latest-feature--ber-x-04b8e44");
});

test("a long branch leaves the commit in a tag of at most 128 characters", () => {
  const name = imageOfPush({
    registry: "r",
    image: `fn:${"1".repeat(128)}`,
    push: { ...push, branch: "b".repeat(90) },
  });
  expect(name.split(":")[1]).toHaveLength(128);
  expect(name.endsWith("-04b8e44")).toBe(true);
});

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
