import { expect, test } from "vitest";
import { hashInputs, type Inputs } from "../../src/model/inputs.ts";

const inputs: Inputs = {
  context: "c",
  buildArgs: { A: "1", B: "2" },
  platforms: ["linux/amd64", "linux/arm64"],
  template: { lang: "node", url: "https://x/y.git", commit: "1" },
  bases: { busybox: "sha256:1", alpine: "sha256:2" },
  builder: "of-builder 1",
};

test("the order of build arguments, platforms and bases does not matter", () => {
  const turned: Inputs = {
    ...inputs,
    buildArgs: { B: "2", A: "1" },
    platforms: ["linux/arm64", "linux/amd64"],
    bases: { alpine: "sha256:2", busybox: "sha256:1" },
  };
  expect(hashInputs(turned)).toBe(hashInputs(inputs));
});

test.for<[string, Partial<Inputs>]>([
  ["context", { context: "d" }],
  ["build argument", { buildArgs: { A: "1", B: "3" } }],
  ["further build argument", { buildArgs: { A: "1", B: "2", C: "" } }],
  ["platform", { platforms: ["linux/amd64"] }],
  ["template's commit", { template: { lang: "node", url: "https://x/y.git", commit: "2" } }],
  ["base image", { bases: { busybox: "sha256:3", alpine: "sha256:2" } }],
  ["builder", { builder: "of-builder 2" }],
])("another %s is another hash", ([, change]) => {
  expect(hashInputs({ ...inputs, ...change })).not.toBe(hashInputs(inputs));
});
