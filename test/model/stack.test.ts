import { expect, test, vi } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { parseStack } from "../../src/model/stack.ts";
import { faasCli, readWith } from "./faas-cli.ts";
import { scalars } from "./faas-cli-scalars.ts";

/** A busy machine takes its time. */
vi.setConfig({ testTimeout: 60_000 });

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
        buildOptions: [{ name: "dev", location: { path: "stack.yml", line: 12, column: 21 } }],
        platforms: ["linux/amd64", "linux/arm64"],
        skipBuild: true,
        buildSecrets: expect.objectContaining({}),
        deployment: expect.objectContaining({ fprocess: "", environmentFiles: [] }),
        location: { path: "stack.yml", line: 6, column: 3 },
        langLocation: { path: "stack.yml", line: 7, column: 11 },
        handlerLocation: { path: "stack.yml", line: 8, column: 14 },
        imageLocation: { path: "stack.yml", line: 9, column: 12 },
      },
    ],
    templates: [
      {
        name: "node22",
        source: "https://example.com/templates.git",
        location: { path: "stack.yml", line: 18, column: 15 },
      },
    ],
    copy: [{ path: "./common", location: { path: "stack.yml", line: 19, column: 10 } }],
    gateway: "http://127.0.0.1:8080",
    warnings: [],
  });
});

test("more copied paths than anybody has are a fault", () => {
  const copied = (count: number) => `configuration:\n  copy: [${Array(count).fill("x").join(", ")}]\n`;
  expect(stack("  a:\n", copied(200)).copy).toHaveLength(200);
  expect(() => stack("  a:\n", copied(201))).toThrow("stack.yml line 6: more than 200 copied paths");
});

test("lang Dockerfile means dockerfile", () => {
  expect(stack("  a:\n    lang: Dockerfile\n").functions[0]?.lang).toBe("dockerfile");
});

test("a function without a body and one with a number for a name are read", () => {
  expect(stack("  a:\n  7:\n    lang: x\n").functions.map(({ name }) => name)).toEqual(["a", "7"]);
});

test.for([
  ["no provider", "functions:\n  a:\n", "provider.name \"\" is not known: ['openfaas'] is the only valid"],
  ["another provider", "provider:\n  name: faas\n", 'stack.yml line 2: provider.name "faas" is not known'],
  [
    "another version",
    "version: 1\nprovider:\n  name: openfaas\n",
    'version "1" is not known: [1.0] are the only valid versions',
  ],
  ["no function", "provider:\n  name: openfaas\n", "no function is defined"],
] as const)("%s is an error", ([, text, message]) => {
  expect(() => parseStack(text, "stack.yml")).toThrow(message);
});

test.for(["linux amd64", "amd46", "linux/", "/amd64", "linux/amd64/v2/x", "linux/am d64", "linux/*"])(
  "the platform %j is refused with its place and what is expected",
  (platform) => {
    const text = `  a:\n    platforms: "linux/amd64, ${platform}"\n`;
    expect(catching(() => stack(text)).faults).toEqual([
      {
        message: `platform ${JSON.stringify(platform)} is not valid: expected OS/ARCH, such as linux/amd64, linux/arm64/v8`,
        location: { path: "stack.yml", line: 5, column: 16 },
        excerpt: expect.stringContaining(`5 |     platforms: "linux/amd64, ${platform}"`),
      },
    ]);
  },
);

test("platforms that BuildKit can read are read, one part alone where it knows which of the two it is", () => {
  const { functions } = stack("  a: {platforms: 'linux/arm64/v8,, linux, ARM64 ,linux/386'}\n");
  expect(functions[0]?.platforms).toEqual(["linux/arm64/v8", "linux", "ARM64", "linux/386"]);
});

test.for([
  ["''", "build-arg must have a non-empty key"],
  ["~", "build-arg must have a non-empty key"],
  ["' '", "build-arg must have a non-empty key"],
  ["A=B", 'build-arg "A=B": expected a key without "="'],
] as const)("the build argument %s is refused at its key", ([key, message]) => {
  expect(catching(() => stack(`  a:\n    build_args: {V: 1, ${key}: x}\n`)).faults).toMatchObject([
    { message, location: { line: 5, column: 24 } },
  ]);
});

test('a key of build arguments may hold blanks: ARG "A B" names it', () => {
  expect({ ...stack("  a: {build_args: {A B: x}}\n").functions[0]?.buildArgs }).toEqual({ "A B": "x" });
});

test.for(["../../x", "a/b", "A", "con.", "-a", "a-", "a b", "__proto__", "x".repeat(64), '"a\\nb"', "é"])(
  "S2 the function name %s is refused with its line",
  (name) => {
    expect(() => stack(`  ${name}:\n    lang: x\n`)).toThrow(
      expect.objectContaining({ code: "name_invalid", location: { path: "stack.yml", line: 4, column: 3 } }),
    );
  },
);

const whole = `version: 1.0
provider: {name: openfaas, gateway: http://127.0.0.1:8080, network: func}
x-defaults: &defaults
  labels: {tier: 1.10, on: yes, empty: ~}
  limits: {memory: 128Mi, cpu: 100m}
functions:
  hello:
    <<: *defaults
    lang: python3
    handler: ./hello
    image: registry:5000/hello:0.1
    fprocess: python index.py
    environment: {A: 0123, B: true, C: 0x10, D: 2020-01-01, E: .5, F: "x y", G: ~, H: 1_000, I: 1e3}
    secrets: [one, ~, two]
    constraints: [node.role == worker]
    annotations: {topic: a.b}
    requests: {memory: 64Mi, cpu: 0.5}
    readonly_root_filesystem: On
    namespace: fns
`;

test("every field for running a function is kept, with the text of its source", () => {
  const { deployment } = parseStack(whole, "stack.yml").functions[0] ?? {};
  expect(JSON.parse(JSON.stringify(deployment))).toEqual({
    fprocess: "python index.py",
    namespace: "fns",
    environment: {
      ...{ A: "0123", B: "true", C: "0x10", D: "2020-01-01", E: ".5", F: "x y", G: "", H: "1_000", I: "1e3" },
    },
    environmentFiles: [],
    secrets: ["one", "two"],
    constraints: ["node.role == worker"],
    labels: { tier: "1.10", on: "yes", empty: "" },
    annotations: { topic: "a.b" },
    limits: { memory: "128Mi", cpu: "100m" },
    requests: { memory: "64Mi", cpu: "0.5" },
    readonlyRootFilesystem: true,
  });
});

/** What faas-cli reads of the same text was recorded with the build of July 2026; where there is one it is asked. */
test("what is read is what faas-cli reads", async () => {
  const recorded = {
    environment: { A: "0123", B: "true", C: "0x10", D: "2020-01-01", E: ".5", F: "x y", G: "", H: "1_000", I: "1e3" },
    labels: { tier: "1.10", on: "yes", empty: "" },
    annotations: { topic: "a.b" },
    limits: { memory: "128Mi", cpu: "100m" },
    requests: { memory: "64Mi", cpu: "0.5" },
    constraints: ["node.role == worker"],
    secrets: ["one", "two"],
    readOnlyRootFilesystem: true,
  };
  const { deployment } = parseStack(whole, "stack.yml").functions[0] ?? {};
  const { environment, labels, annotations, limits, requests, constraints, secrets } = deployment ?? {};
  const ours = { environment, labels, annotations, limits, requests, constraints, secrets };
  const { readonlyRootFilesystem: readOnlyRootFilesystem } = deployment ?? {};
  expect(JSON.parse(JSON.stringify({ ...ours, readOnlyRootFilesystem }))).toEqual(recorded);
  if (faasCli !== "") expect((await readWith(faasCli, whole))[0]).toMatchObject(recorded);
});

test("S5 texts of every kind are read as faas-cli reads them", async () => {
  const lines = scalars.map(([source], at) => `      K${at}: ${source}\n`).join("");
  const text = `provider: {name: openfaas}\nx-a: &anchor anchored\nfunctions:\n  a:\n    image: x\n    environment:\n${lines}`;
  const expected = Object.fromEntries(scalars.map(([, read], at) => [`K${at}`, read]));
  expect({ ...parseStack(text, "stack.yml").functions[0]?.deployment.environment }).toEqual(expected);
  if (faasCli !== "") expect((await readWith(faasCli, text))[0]).toMatchObject({ environment: expected });
});

const environment = (map: string) =>
  `provider: {name: openfaas}\nfunctions:\n  a:\n    image: x\n    environment: ${map}\n`;

test.for([
  environment("{<<: {A: 1}, <<: {B: 2}}"),
  environment("{<<: ~}"),
  environment("{<<: x}"),
  environment("{<<: [~]}"),
  environment("{<<: [[{A: 1}]]}"),
  `x: &list [{A: 1}]\n${environment("{<<: *list}")}`,
  environment("{A: !!binary '%%'}"),
  environment("{A: !!int x}"),
  environment("{A: !!int 08}"),
  environment("{A: !!bool yes}"),
  environment("{A: !!null x}"),
  environment("{A: !!float 1e400}"),
  environment("{A: !!timestamp 2020-13-01}"),
  `%YAML 3.0\n---\n${environment("{}")}`,
  `%YAML 1.2\n---\n${environment("{}")}`,
])("S5 %j is refused as by faas-cli", async (text) => {
  expect(() => parseStack(text, "stack.yml")).toThrow(BuilderError);
  if (faasCli !== "") await expect(readWith(faasCli, text)).rejects.toThrow();
});

test.for<[map: string, text: string]>([
  ["{A: !!int 3, B: !!int '-0x1F', C: !!float 08}", "3 -0x1F 08"],
  ["{A: !!bool 'true', B: !!null '', C: !!float +.inf}", "true  +.inf"],
  ["{A: !!timestamp '2020-1-1 0:0:0', B: !!binary aGk=, C: !!int 1_0}", "2020-1-1 0:0:0 hi 1_0"],
  ["{<<: [{A: a}, {A: x, B: b}], C: c}", "a b c"],
  ["{<<: [], A: a, B: b, C: c}", "a b c"],
])("S5 in %s stands %j, as for faas-cli", async ([map, text]) => {
  const ours = parseStack(environment(map), "stack.yml").functions[0]?.deployment.environment;
  const textOf = (read: Readonly<Record<string, unknown>> | undefined) => [read?.A, read?.B, read?.C].join(" ");
  expect(textOf(ours)).toBe(text);
  if (faasCli !== "") {
    const [spec] = await readWith(faasCli, environment(map));
    expect(textOf(spec?.environment as Record<string, unknown>)).toBe(text);
  }
});

/** What docs/stack.md says of files that one of the two reads and the other one does not. */
test.for([
  ["lines that end in CR alone", environment("{A: b}").replaceAll("\n", "\r"), "refused", "read"],
  ["a line that ends in NEL, between quotes", environment('{A: "b\u0085c"}'), "refused", "read"],
  ["a line separator, between quotes", environment('{A: "b\u2028c"}'), "refused", "read"],
  ["the keys ~ and '' in one map", environment("{~: a, '': b}"), "refused", "read"],
  ["a tag without a value before a comma or bracket", environment("{A: !!null}"), "read", "refused"],
] as const)("a documented difference: %s", async ([, text, ours, theirs]) => {
  const outcomeOf = (reading: Promise<unknown>) =>
    reading.then(
      () => "read",
      () => "refused",
    );
  expect(await outcomeOf(Promise.resolve().then(() => parseStack(text, "stack.yml")))).toBe(ours);
  if (faasCli !== "") expect(await outcomeOf(readWith(faasCli, text))).toBe(theirs);
});

test("scripts that look for the sentences of faas-cli find them", () => {
  expect(() => parseStack("provider: {name: faas}\nfunctions: {a: }\n", "s.yml")).toThrow(
    `['openfaas'] is the only valid "provider.name" for the OpenFaaS CLI, but you gave: faas`,
  );
  expect(() => parseStack("version: 1.00\nprovider: {name: openfaas}\nfunctions: {a: }\n", "s.yml")).toThrow(
    "[1.0] are the only valid versions for the stack file - found: 1.00",
  );
});

test("all faults are told at once, in the order in which faas-cli looks: kinds, provider, version, then ours", () => {
  const text = `version: 2
provider: {name: faas}
functions:
  UPPER:
    lang: x
  b:
    skip_build: "true"
    secrets: one
    environment: [A=1]
    limits: {memory: [1]}
`;
  const thrown = catching(() => parseStack(text, "stack.yml"));
  expect(thrown.faults.map(({ message, location }) => `${location.line}:${location.column} ${message}`)).toEqual([
    '7:17 skip_build: expected true or false, found "true"',
    '8:14 secrets: expected a list, found "one"',
    "9:18 environment: expected a map, found a list",
    "10:22 memory: expected a text, found a list",
    expect.stringContaining('2:18 provider.name "faas"'),
    expect.stringContaining('1:10 version "2"'),
    expect.stringContaining('4:3 function name "UPPER"'),
  ]);
  expect(thrown.message).toMatch(/^stack\.yml line 7: skip_build: .* \(and 6 more\)$/);
  expect(thrown.faults[0]?.excerpt).toBe('7 |     skip_build: "true"\n  |                 ^');
});

test.for([
  ["    enviroment: {A: 1}\n", "enviroment", "environment"],
  ["    build_arg: {A: 1}\n", "build_arg", "build_args"],
  ["    Handler: x\n", "Handler", "handler"],
  ["    limits: {memroy: 1}\n", "memroy", "memory"],
])("a misspelt key is a warning that names the nearest known one: %s", ([line, key, meant]) => {
  const { warnings } = stack(`  a:\n    lang: x\n${line}`);
  expect(warnings.map(({ message }) => message)).toEqual([`unknown key "${key}" is ignored: did you mean "${meant}"?`]);
  expect(warnings[0]?.location).toMatchObject({ path: "stack.yml", line: 6 });
});

test("S13 keys that nobody knows and that look like none are ignored without a word", () => {
  const { warnings, functions } = stack("  a:\n    lang: x\n    network: host\n    x-note: 1\n    registry_auth: y\n");
  expect(warnings).toEqual([]);
  expect(functions).toHaveLength(1);
});

test("a misspelt key that several functions share is told once", () => {
  const { warnings } = parseStack(
    "provider: {name: openfaas}\nx: &x {handlr: y}\nfunctions:\n  a: *x\n  b: *x\n",
    "stack.yml",
  );
  expect(warnings).toHaveLength(1);
});

function catching(work: () => unknown): BuilderError {
  try {
    work();
  } catch (error) {
    if (error instanceof BuilderError) return error;
  }
  throw new Error("expected faults");
}
