import { expect, test } from "vitest";
import { Status } from "../../src/buildkit/generated/rpc-status.ts";
import { describeFailure } from "../../src/buildkit/solve-error.ts";

const push = "failed to push r.example/a/b:1: ";

test.for([
  [
    `${push}failed to do request: Head "https://r.example/v2/a/b/blobs/x": dial tcp: lookup r.example: no such host`,
    "registry_unreachable",
  ],
  [
    `${push}failed to do request: Head "https://r.example/v2/": http: server gave HTTP response to HTTPS client`,
    "registry_unreachable",
  ],
  [`${push}failed to do request: Put "https://r.example/v2/": net/http: TLS handshake timeout`, "registry_unreachable"],
  [
    `${push}unexpected status from PUT request to https://r.example/v2/a/b/blobs: 503 Service Unavailable`,
    "registry_unreachable",
  ],
  [`${push}server message: insufficient_scope: authorization failed`, "registry_denied"],
  [
    `${push}failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized`,
    "registry_denied",
  ],
  [`${push}unexpected status from POST request to https://r.example/v2/: 403 Forbidden`, "registry_denied"],
  [
    "x: failed to resolve source metadata for docker.io/library/x:latest: docker.io/library/x:latest: not found",
    "build_failed",
  ],
  [`${push}unauthorized: who?`, "registry_denied"],
  [`${push}name unknown: The repository with name 'a/b' does not exist`, "registry_denied"],
  [
    `${push}unexpected status from PUT request to https://r.example/v2/: 413 Request Entity Too Large`,
    "registry_denied",
  ],
  [
    `${push}unexpected status from HEAD request to https://r.example/v2/: 429 Too Many Requests`,
    "registry_unreachable",
  ],
  ["circular dependency detected on stage: a", "build_failed"],
] as const)("%j is %s", ([message, code]) => {
  const error = describeFailure(Status.fromPartial({ code: 2, message }), []);
  expect(error.code).toBe(code);
  expect(error.message.length).toBeLessThanOrEqual(300);
});

const noImage = "failed to resolve source metadata for docker.io/library/biuld:latest: ";

test.for([
  {
    text: `${noImage}docker.io/library/biuld:latest: not found`,
    code: "build_failed",
    says: 'base image "docker.io/library/biuld:latest" does not exist',
  },
  {
    text: `${noImage}failed to do request: Head "https://r.example/v2/biuld": dial tcp: no such host`,
    code: "registry_unreachable",
    says: 'the registry of "docker.io/library/biuld:latest" does not answer: dial tcp: no such host',
  },
])("a misspelt stage, taken for an image: $says", ({ text, code, says }) => {
  const message = `biuld: ${text} (did you mean build?)`;
  const error = describeFailure(Status.fromPartial({ code: 2, message }), []);
  expect(error).toMatchObject({
    code,
    message: says,
    fix: 'If a stage of the Dockerfile is meant, it is called "build".',
  });
});

test.for([
  {
    what: "refuses",
    message: "r.example/a: failed to resolve source metadata for r.example/a: pull access denied: insufficient_scope",
    fix: /an account that may pull the image/,
  },
  {
    what: "is not reached",
    message:
      'r.example/a: failed to resolve source metadata for r.example/a: failed to do request: Head "https://r.example/v2/a": dial tcp: i/o timeout',
    fix: /^See that BuildKit reaches that registry/,
  },
  {
    what: "speaks plain HTTP",
    message: `${push}failed to do request: Head "https://r.example/v2/": http: server gave HTTP response to HTTPS client`,
    fix: /^That registry speaks plain HTTP: set insecure/,
  },
  {
    what: "has a certificate of its own",
    message: `${push}failed to do request: Head "https://r.example/v2/": tls: failed to verify certificate: x509: unknown authority`,
    fix: /^Have BuildKit trust/,
  },
  { what: "refuses a push", message: `${push}denied: no`, fix: /the right to push there/ },
])("where a registry $what, what to do is about fetching or pushing", ({ message, fix }) => {
  expect(describeFailure(Status.fromPartial({ code: 2, message }), []).fix).toMatch(fix);
});

test("colours, line ends and bidirectional signs of a step do not reach the message", () => {
  const lines = ["\u001B[31mred\u001B[0m \u202E evil \u0007"];
  const message = 'process "/bin/sh -c x" did not complete successfully: exit code: 1';
  const steps = [{ digest: "d", name: "[1/2] RUN x\nmore", error: message, lines }];
  const { message: said } = describeFailure(Status.fromPartial({ code: 2, message }), steps);
  expect(said).toBe('step "RUN x" failed: red evil');
});

function sourceDetail(filename: string, { text, lines }: { text?: string; lines: readonly (readonly number[])[] }) {
  const data = text === undefined ? {} : { data: Buffer.from(text).toString("base64") };
  const ranges = lines.map(([start, end = start]) => ({ start: { line: start }, end: { line: end } }));
  const source = { info: { filename, ...data }, ranges };
  return { typeUrl: "github.com/moby/buildkit/errdefs.Source+json", value: Buffer.from(JSON.stringify(source)) };
}

test("each place that BuildKit tells is there, with all of its lines and their text, whatever the file is called", () => {
  const app = sourceDetail("docker/app.Dockerfile", { text: "FROM a\nRUN x && \\\n  y\n", lines: [[3], [2]] });
  const bake = sourceDetail("other.hcl", { text: `${"a\n".repeat(20)}`, lines: [[1], [12, 14]] });
  const bare = sourceDetail("bare", { lines: [[7]] });
  const details = [app, bake, app, bare];
  const { location, faults } = describeFailure(Status.fromPartial({ code: 2, message: "odd", details }), []);
  expect(location).toEqual({ path: "docker/app.Dockerfile", line: 2, endLine: 3 });
  expect(faults).toEqual([
    {
      message: "odd",
      location: { path: "docker/app.Dockerfile", line: 2, endLine: 3 },
      excerpt: "   1 | FROM a\n > 2 | RUN x && \\\n > 3 |   y",
    },
    {
      message: "odd",
      location: { path: "other.hcl", line: 1, ranges: [{ line: 1 }, { line: 12, endLine: 14 }] },
      excerpt: expect.stringMatching(/^ > {2}1 \| a\n.*\n {3}…\n.* > 12 \| a\n > 13 \| a\n > 14 \| a\n {3}15 \| a\n/s),
    },
    { message: "odd", location: { path: "bare", line: 7 }, excerpt: "" },
  ]);
});

test("D10 what a frontend makes up as a source stays small and harmless", () => {
  const text = `\u001b[2J${"x".repeat(1e5)}\n`.repeat(3);
  const lines = Array.from({ length: 5000 }, (_, at) => [1 + 2 * at, 2 * at]);
  const details = Array.from({ length: 9 }, (_, at) => sourceDetail(`${at}${"n".repeat(5000)}`, { text, lines }));
  const wild = [[1.5], [-1], [0], [2 ** 40]].map((range) => sourceDetail("wild", { text, lines: [range] }));
  const error = describeFailure(Status.fromPartial({ code: 2, message: "odd", details: [...wild, ...details] }), []);
  expect(error.faults).toHaveLength(5);
  expect(error.location?.path).toMatch(/^0n/);
  expect(JSON.stringify(error.faults).length).toBeLessThan(20_000);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
  expect(error.faults.map(({ excerpt }) => excerpt).join("")).not.toMatch(/[\x00-\x09\x0b-\x1f]/);
});

test("details that are no JSON or of an unknown kind are passed over", () => {
  const details = [
    { typeUrl: "github.com/moby/buildkit/errdefs.Source+json", value: Buffer.from("{") },
    { typeUrl: "example.com/new+json", value: Buffer.from("[]") },
  ];
  const error = describeFailure(Status.fromPartial({ code: 2, message: "odd", details }), []);
  expect(error).toMatchObject({ code: "build_failed", message: "odd", location: undefined });
});
