import { expect, test } from "vitest";
import { type BuildRequest, createSolveRequest } from "../../src/buildkit/solve-request.ts";
import { createMemoryContext } from "./memory-context.ts";

const ids = { ref: "the-ref", session: "the-session" };

function solve(request: Partial<BuildRequest>) {
  return createSolveRequest({ context: createMemoryContext({}), ...request }, ids);
}

test("D2 D8 D9 a build that asks for nothing gets no entitlement, no foreign cache and no attestation", () => {
  const { entitlements, cache, frontendAttrs, exporters } = solve({});
  expect(entitlements).toEqual([]);
  expect(cache).toEqual({ imports: [], exports: [] });
  expect(exporters).toEqual([]);
  // An empty command line keeps BuildKit from looking for another frontend in the Dockerfile (D1).
  expect(frontendAttrs).toEqual({ filename: "Dockerfile", cmdline: "" });
});

test("where other frontends are allowed BuildKit looks for them", () => {
  expect(solve({ policy: { frontends: true } }).frontendAttrs).toEqual({ filename: "Dockerfile" });
});

test.for<{ request: Partial<BuildRequest>; attrs: Record<string, string> }>([
  { request: { provenance: "min" }, attrs: { "attest:provenance": "mode=min" } },
  { request: { sbom: true }, attrs: { "attest:sbom": "" } },
  { request: { sbom: { generator: "a/b:c" } }, attrs: { "attest:sbom": "generator=a/b:c" } },
  { request: { sourceDateEpoch: 12.9 }, attrs: { "build-arg:SOURCE_DATE_EPOCH": "12" } },
  {
    request: { sourceDateEpoch: 12, buildArgs: { SOURCE_DATE_EPOCH: "7" } },
    attrs: { "build-arg:SOURCE_DATE_EPOCH": "7" },
  },
  { request: { ulimits: { nofile: "1:2", nproc: "3" } }, attrs: { ulimit: "nofile=1:2,nproc=3" } },
  { request: { hosts: { a: "::1" }, network: "none" }, attrs: { "add-hosts": "a=::1", "force-network-mode": "none" } },
  { request: { hosts: { 'a",b': "1" } }, attrs: { "add-hosts": '"a"",b=1"' } },
  { request: { shmBytes: 4096 }, attrs: { "shm-size": "4096" } },
  { request: { platforms: ["linux/amd64", "linux/arm64"] }, attrs: { platform: "linux/amd64,linux/arm64" } },
  { request: { noCache: true, target: "x" }, attrs: { "no-cache": "", target: "x" } },
  {
    request: { namedContexts: { a: createMemoryContext({}), b: "docker-image://c" } },
    attrs: { "context:a": "local:named:a", "context:b": "docker-image://c" },
  },
])("$attrs", ({ request, attrs }) => {
  expect(solve(request).frontendAttrs).toEqual({ filename: "Dockerfile", cmdline: "", ...attrs });
});

test("the outputs of the client come first, as the daemon knows them by their place", () => {
  const image = { names: ["r/a:1", "r/a:2"], push: true, insecure: true, pushByDigest: true } as const;
  const { exporters, exporterDeprecated } = solve({
    image,
    exports: [
      { type: "local", folder: "/x", attrs: { "platform-split": "false" } },
      { type: "oci", to: "/y", names: ["r/a:1"], compression: "zstd", compressionLevel: 3, forceCompression: true },
    ],
  });
  expect(exporterDeprecated).toBe("local");
  expect(exporters).toEqual([
    { type: "local", attrs: { "platform-split": "false" } },
    {
      type: "oci",
      attrs: { name: "r/a:1", compression: "zstd", "compression-level": "3", "force-compression": "true" },
    },
    {
      type: "image",
      attrs: { name: "r/a:1,r/a:2", push: "true", "registry.insecure": "true", "push-by-digest": "true" },
    },
  ]);
});

test("annotations are said for each level in BuildKit's way", () => {
  const annotations = { "a.b": "1", "index:c": "2", "manifest-descriptor:d": "3" };
  const image = { names: ["r/a:1"], push: false, insecure: false, annotations, rewriteTimestamp: true };
  expect(solve({ image }).exporters[0]?.attrs).toEqual({
    name: "r/a:1",
    "annotation.a.b": "1",
    "annotation-index.c": "2",
    "annotation-manifest-descriptor.d": "3",
    "rewrite-timestamp": "true",
  });
});

test("caches are told to the daemon and to the frontend", () => {
  const entry = { type: "registry", attrs: { ref: "r/a:cache" } };
  const context = createMemoryContext({});
  const request = createSolveRequest({ context }, { ...ids, caches: { imports: [entry], exports: [entry] } });
  expect(request.cache).toMatchObject({ imports: [entry], exports: [entry] });
  const told = [{ Type: "registry", Attrs: { ref: "r/a:cache" } }];
  expect(JSON.parse(request.frontendAttrs["cache-imports"] ?? "")).toEqual(told);
});
