import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from "vitest";
import { BlobFolder } from "../../src/buildkit/blob-folder.ts";
import { type CacheEntry, prepareCaches } from "../../src/buildkit/cache-options.ts";
import type { ImageOutput } from "../../src/buildkit/exporters.ts";
import type { Buildkitd } from "../../src/parts/buildkitd.ts";
import { startDaemon } from "./daemons.ts";
import { createMemoryContext } from "./memory-context.ts";
import { buildOnce } from "./one-build.ts";
import { createScratch } from "./scratch-folder.ts";

function image(repository: string): ImageOutput {
  return { names: [`${inject("registry")}/${repository}:one`], push: true, insecure: true };
}

/** Two stages, of which only the second one is in the image. */
function context(word: string) {
  const lines = ["FROM busybox AS one", `RUN echo "one ran" ${word} | tee /w`, "FROM busybox"];
  return createMemoryContext({ Dockerfile: [...lines, "COPY --from=one /w /w", ""].join("\n") });
}

type Built = Awaited<ReturnType<typeof buildOnce>>;

/** Whether a step was taken from a cache; undefined where there was none of the name. */
function isCached({ events }: Built, name: string): boolean | undefined {
  const last = events.findLast((event) => event.kind === "vertex" && event.name.includes(name));
  return last?.kind === "vertex" ? last.cached : undefined;
}

interface Way {
  readonly what: string;
  readonly to: CacheEntry;
  readonly from: CacheEntry;
  /** Whether steps come back that are not of the image. */
  readonly isWhole: boolean;
}

function ways(repository: string, folder: string): readonly Way[] {
  const registry = (tag: string) => ({
    ref: `${inject("registry")}/${repository}:${tag}`,
    "registry.insecure": "true",
  });
  return (["min", "max"] as const)
    .flatMap((mode): Way[] => [
      {
        what: `the registry, mode=${mode}`,
        to: { type: "registry", attrs: { ...registry("cache"), mode } },
        from: { type: "registry", attrs: registry("cache") },
        isWhole: mode === "max",
      },
      {
        what: `a local folder, mode=${mode}`,
        to: { type: "local", attrs: { dest: folder, mode } },
        from: { type: "local", attrs: { src: folder } },
        isWhole: mode === "max",
      },
    ])
    .concat({
      what: "the image itself",
      to: { type: "inline", attrs: {} },
      from: { type: "registry", attrs: registry("one") },
      isWhole: false,
    });
}

describe("a daemon that has never seen a build takes its steps from", () => {
  let cold: Buildkitd;
  const parts = new AsyncDisposableStack();
  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), "of-builder-cold-"));
    parts.defer(() => rm(folder, { recursive: true, force: true }));
    cold = parts.use(await startDaemon(folder));
  });
  afterAll(() => parts.disposeAsync());

  test.for(ways("", "").map(({ what }, at) => ({ what, at })))("$what", async ({ at }) => {
    const repository = `caches/${randomUUID()}`;
    const { to, from, isWhole } = ways(repository, join(await createScratch(), "cache"))[at] as Way;
    const request = { context: context(randomUUID()) };
    const first = await buildOnce({ ...request, image: image(repository), cacheTo: [to], cacheFrom: [from] });
    expect(first).toMatchObject({ error: undefined, output: expect.stringContaining("one ran") });

    const { address } = cold;
    const second = await buildOnce({ ...request, cacheFrom: [from] }, { address });
    expect(second).toMatchObject({ error: undefined, output: "" });
    expect(isCached(second, "COPY --from=one")).toBe(true);
    const stage = await buildOnce({ ...request, target: "one", cacheFrom: [from] }, { address });
    expect(stage.error).toBeUndefined();
    expect(isCached(stage, "RUN echo")).toBe(isWhole);
    expect(stage.output.includes("one ran")).toBe(!isWhole);
  });
});

test("a local folder keeps several caches by their tags, and nothing half", async () => {
  const folder = join(await createScratch(), "cache");
  for (const tag of ["latest", "second"]) {
    const cacheTo = [{ type: "local", attrs: { dest: folder, tag } }];
    expect((await buildOnce({ context: context(randomUUID()), cacheTo })).error).toBeUndefined();
  }
  expect((await readdir(folder)).sort()).toEqual(["blobs", "index.json", "ingest", "oci-layout"]);
  expect(await readdir(join(folder, "ingest"))).toEqual([]);
  const blobs = new BlobFolder(folder);
  expect(await blobs.resolve("latest")).not.toBe(await blobs.resolve("second"));
  expect(await blobs.size((await blobs.resolve("latest")) ?? "")).toBeGreaterThan(0);
});

test("D5 whose cache mounts a build sees is no part of its image", async () => {
  const dockerfile = `FROM busybox\nRUN --mount=type=cache,target=/c echo ${randomUUID()} > /w\n`;
  const build = async (own: { cacheNamespace?: string }) => {
    const made = { ...image("namespaced"), rewriteTimestamp: true };
    const request = { context: createMemoryContext({ Dockerfile: dockerfile }), image: made, sourceDateEpoch: 1 };
    return (await buildOnce({ ...request, ...own })).result?.digest;
  };
  const digest = await build({});
  expect(digest).toMatch(/^sha256:/);
  expect(await build({ cacheNamespace: "alice" })).toBe(digest);
});

test("a cache of type s3 is asked for where its attributes say", async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    response.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const attrs = {
    region: "eu",
    bucket: "kept",
    endpoint_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    use_path_style: "true",
    access_key_id: "a",
    secret_access_key: "s",
  };
  await buildOnce({ context: context(randomUUID()), cacheFrom: [{ type: "s3", attrs }] });
  expect(asked[0]).toContain("/kept/");
});

test("a cache of type gha gets its attributes: what is missing is told", async () => {
  const gha = (attrs: Record<string, string>) =>
    buildOnce({ context: context(randomUUID()), cacheTo: [{ type: "gha", attrs }] });
  expect((await gha({ url: "http://127.0.0.1:1/" })).error?.message).toContain("token not set");
  expect((await gha({ token: "t" })).error?.message).toContain("url not set");
});

test.for<{ entry: CacheEntry; says: string }>([
  { entry: { type: "registry", attrs: {} }, says: 'needs "ref"' },
  { entry: { type: "local", attrs: {} }, says: 'needs "' },
  { entry: { type: "floppy", attrs: {} }, says: 'cache type "floppy"' },
])("a cache that says too little is refused: $says", async ({ entry, says }) => {
  await expect(prepareCaches({ cacheFrom: [entry] })).rejects.toMatchObject({ code: "usage" });
  await expect(prepareCaches({ cacheTo: [entry] })).rejects.toThrow(says);
});

test("a local cache that is not there, or whose blobs are gone, is left out; one that is broken is named", async () => {
  const folder = await createScratch();
  const from = { type: "local", attrs: { src: folder } };
  expect((await prepareCaches({ cacheFrom: [from] })).imports).toEqual([]);
  const digest = `sha256:${"0".repeat(64)}`;
  await new BlobFolder(folder).tag("latest", { digest });
  expect((await prepareCaches({ cacheFrom: [from] })).imports).toEqual([]);
  await writeFile(join(folder, "index.json"), "{");
  await expect(prepareCaches({ cacheFrom: [from] })).rejects.toMatchObject({ code: "output_failed" });
});

test("the daemon is told an id of a local cache, not its path", async () => {
  const dest = join(await createScratch(), "secret-place");
  const { exports, stores } = await prepareCaches({ cacheTo: [{ type: "local", attrs: { dest } }] });
  expect(JSON.stringify(exports)).not.toContain("secret-place");
  expect([...stores.keys()]).toEqual([`local:${exports[0]?.attrs.dest}`]);
});

test.for(["sha256:../../../etc/passwd", "../x", "", `sha512:${"0".repeat(64)}`, `sha256:${"0".repeat(63)}`])(
  "D7 a blob of the digest %j is not looked for",
  async (digest) => {
    const folder = await createScratch();
    await mkdir(join(folder, "blobs", "sha256"), { recursive: true });
    expect(await new BlobFolder(folder).size(digest)).toBeUndefined();
  },
);

test("a blob that came with another digest than it should have is not kept", async () => {
  const folder = await createScratch();
  const blobs = new BlobFolder(folder);
  {
    await using writer = await blobs.write();
    await writer.add(Buffer.from("what came"));
    await expect(writer.commit(`sha256:${"0".repeat(64)}`)).rejects.toThrow(/came as "sha256:/);
  }
  expect(await readdir(join(folder, "blobs", "sha256"))).toEqual([]);
  expect(await readdir(join(folder, "ingest"))).toEqual([]);
  await blobs.tag("a", { digest: "sha256:1" });
  await blobs.tag("b", { digest: "sha256:2" });
  await blobs.tag("a", { digest: "sha256:3" });
  expect([await blobs.resolve("a"), await blobs.resolve("b")]).toEqual(["sha256:3", "sha256:2"]);
  expect(JSON.parse(await readFile(join(folder, "oci-layout"), "utf8"))).toEqual({ imageLayoutVersion: "1.0.0" });
});
