import { expect, test } from "vitest";
import { createPermit } from "../../src/registry/permit.ts";

const images = ["registry.example:5000/alex/shop-cart:1"];
const patterns = ["registry.example:5000/base/*", "docker.io/library/*", "other.example/one/image"];
const permit = createPermit({ images, patterns });
const home = "registry.example:5000";

test.for([
  ["the image that is made", home, "alex/shop-cart:pull,push", "alex/shop-cart:pull,push"],
  ["an image that every build may have", home, "base/node:pull", "base/node:pull"],
  ["pushing to one of those", home, "base/node:pull,push", "base/node:pull"],
  ["deleting", home, "alex/shop-cart:delete,pull", "alex/shop-cart:pull"],
  ["a neighbour", home, "alex/shop-cart-2:pull", undefined],
  ["a folder above", home, "alex:pull", undefined],
  ["another owner", home, "kim/shop-cart:pull", undefined],
  ["a name that climbs", home, "base/../kim/shop:pull", undefined],
  ["the same name at another host", "other.example", "alex/shop-cart:push", undefined],
  ["an exact name", "other.example", "one/image:pull", "one/image:pull"],
  ["more than an exact name", "other.example", "one/image/more:pull", undefined],
  ["Docker Hub by the name of its API", "registry-1.docker.io", "library/busybox:pull", "library/busybox:pull"],
  ["somebody's at Docker Hub", "registry-1.docker.io", "kim/private:pull", undefined],
] as const)("of a scope is left what the build may do: %s", ([, host, asked, left]) => {
  expect(permit.narrow(host, [`repository:${asked}`])).toEqual(left === undefined ? [] : [`repository:${left}`]);
});

test.for(["registry:catalog:*", "repository(plugin):a/b:pull", "repository:a b:pull", "repository:a/b:*", ""])(
  "a scope of another kind is dropped, even where everything may be pulled: %j",
  (scope) => {
    expect(createPermit({ images: [], patterns: ["*"] }).narrow(home, [scope])).toEqual([]);
  },
);

test("the bare password goes only where the build pushes, or may have all", () => {
  const hosts = [home, "other.example", "registry-1.docker.io", "evil.example"];
  expect(hosts.filter((host) => permit.hasPassword(host))).toEqual([home]);
  expect(hosts.filter((host) => permit.touches(host))).toEqual([home, "other.example", "registry-1.docker.io"]);
  const whole = createPermit({ images: [], patterns: ["other.example/*"] });
  expect(hosts.filter((host) => whole.hasPassword(host))).toEqual(["other.example"]);
  const all = createPermit({ images: [], patterns: ["*"] });
  expect(hosts.filter((host) => all.hasPassword(host))).toEqual(hosts);
});
