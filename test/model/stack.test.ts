import { expect, test } from "vitest";
import { parseStack } from "../../src/model/stack.ts";

const stack = (functions: string, rest = "") =>
  parseStack(`provider:\n  name: openfaas\nfunctions:\n${functions}${rest}`, "stack.yml");

test("a stack is read with all that building needs", () => {
  const text = `version: 1.0
provider:
  name: openfaas
  gateway: http://127.0.0.1:8080
functions:
  hello:
    lang: node22
    handler: ./hello
    image: registry:5000/hello:0.1
    build_args:
      VERSION: 1.10
    build_options: [dev]
    platforms: linux/amd64, linux/arm64
    skip_build: true
configuration:
  templates:
    - name: node22
      source: https://example.com/templates.git
  copy: [./common]
`;
  const parsed = parseStack(text, "stack.yml");
  expect(parsed).toEqual({
    functions: [
      {
        name: "hello",
        lang: "node22",
        handler: "./hello",
        image: "registry:5000/hello:0.1",
        buildArgs: expect.objectContaining({ VERSION: "1.10" }),
        buildOptions: ["dev"],
        platforms: ["linux/amd64", "linux/arm64"],
        skipBuild: true,
        location: { path: "stack.yml", line: 7, column: 5 },
        langLocation: { path: "stack.yml", line: 7, column: 11 },
      },
    ],
    templates: [{ name: "node22", source: "https://example.com/templates.git" }],
    copy: ["./common"],
  });
});

test("lang Dockerfile means dockerfile", () => {
  expect(stack("  a:\n    lang: Dockerfile\n").functions[0]?.lang).toBe("dockerfile");
});

test("a function without a body and one with a number for a name are read", () => {
  expect(stack("  a:\n  7:\n    lang: x\n").functions.map(({ name }) => name)).toEqual(["a", "7"]);
});

test.for([
  ["no provider", "functions:\n  a:\n", 'provider.name "" is not known: expected openfaas'],
  ["another provider", "provider:\n  name: faas\n", 'stack.yml line 2: provider.name "faas" is not known'],
  ["another version", "version: 1\nprovider:\n  name: openfaas\n", 'version "1" is not known: expected 1.0'],
  ["no function", "provider:\n  name: openfaas\n", "no function is defined"],
] as const)("%s is an error", ([, text, message]) => {
  expect(() => parseStack(text, "stack.yml")).toThrow(message);
});

test.for(["../../x", "a/b", "A", "con.", "-a", "a-", "a b", "__proto__", "x".repeat(64), '"a\\nb"', "é"])(
  "S2 the function name %s is refused with its line",
  (name) => {
    expect(() => stack(`  ${name}:\n    lang: x\n`)).toThrow(
      expect.objectContaining({ code: "name_invalid", location: expect.objectContaining({ line: 5 }) }),
    );
  },
);
