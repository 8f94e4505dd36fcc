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

test("details that are no JSON or of an unknown kind are passed over", () => {
  const details = [
    { typeUrl: "github.com/moby/buildkit/errdefs.Source+json", value: Buffer.from("{") },
    { typeUrl: "example.com/new+json", value: Buffer.from("[]") },
  ];
  const error = describeFailure(Status.fromPartial({ code: 2, message: "odd", details }), []);
  expect(error).toMatchObject({ code: "build_failed", message: "odd", location: undefined });
});
