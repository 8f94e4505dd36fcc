import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { expect, inject, test } from "vitest";
import type { ImageOptions } from "../../src/buildkit/exporters.ts";
import { createMemoryContext, link } from "./memory-context.ts";
import { buildOnce } from "./one-build.ts";
import { files, type Manifest, push, readManifest } from "./pushed-image.ts";
import { createScratch } from "./scratch-folder.ts";

const run = promisify(execFile);
const epoch = 1_234_567_890;

test("an image gets several names in one push", async () => {
  const repository = `outputs/${randomUUID()}`;
  const names = ["one", "two", "three"].map((tag) => `${inject("registry")}/${repository}:${tag}`);
  const { result } = await push({ names });
  for (const tag of ["one", "two", "three"])
    expect((await readManifest(repository, tag))?.config.digest).toBe(result?.configDigest);
});

test("an image is pushed by its digest alone", async () => {
  const repository = `outputs/${randomUUID()}`;
  const { result } = await push({ names: [`${inject("registry")}/${repository}`], pushByDigest: true });
  expect(await readManifest(repository, result?.digest ?? "")).toBeDefined();
  expect(await readManifest(repository, "latest")).toBeUndefined();
});

test.for<{ what: string; options: ImageOptions; layer: string; manifest: string }>([
  { what: "gzip", options: { compression: "gzip", ociMediaTypes: true }, layer: "tar+gzip", manifest: "oci" },
  {
    what: "zstd",
    options: { compression: "zstd", compressionLevel: 3, ociMediaTypes: true },
    layer: "tar+zstd",
    manifest: "oci",
  },
  { what: "estargz", options: { compression: "estargz", ociMediaTypes: true }, layer: "tar+gzip", manifest: "oci" },
  { what: "no", options: { compression: "uncompressed", ociMediaTypes: true }, layer: "v1.tar", manifest: "oci" },
  { what: "Docker's", options: { ociMediaTypes: false }, layer: "tar.gzip", manifest: "docker" },
])("layers are packed with $what compression", async ({ options, layer, manifest: kind }) => {
  const { manifest } = await push(options);
  expect(manifest?.mediaType).toContain(kind);
  expect(manifest?.layers[0]?.mediaType.endsWith(layer)).toBe(true);
  const toc = manifest?.layers[0]?.annotations?.["containerd.io/snapshot/stargz/toc.digest"];
  expect(toc !== undefined).toBe(options.compression === "estargz");
});

test("the base image's layers are packed anew where that is forced", async () => {
  const context = createMemoryContext({ Dockerfile: `FROM busybox\nLABEL a=${randomUUID()}\n` });
  const forced = await push({ compression: "zstd", forceCompression: true, ociMediaTypes: true }, { context });
  expect(forced.manifest?.layers[0]?.mediaType).toMatch(/zstd$/);
  const kept = await push({ compression: "zstd", ociMediaTypes: true }, { context });
  expect(kept.manifest?.layers[0]?.mediaType).not.toMatch(/zstd$/);
});

test("annotations of each level are set", async () => {
  const { manifest } = await push({
    annotations: { "com.example.a": "x, y", "manifest:com.example.b": "z" },
    ociMediaTypes: true,
  });
  expect(manifest?.annotations).toMatchObject({ "com.example.a": "x, y", "com.example.b": "z" });
});

test("with a time of origin and rewritten files the same input gives the same digest, whenever its files were written", async () => {
  const content = files();
  const build = async (modifiedNs: bigint) => {
    const context = createMemoryContext({
      ...content,
      "a.txt": { content: content["a.txt"] ?? "", size: 38, modifiedNs },
    });
    const options = { context, sourceDateEpoch: epoch, noCache: true, sharedKey: randomUUID() };
    return (await push({ rewriteTimestamp: true }, options)).result?.digest;
  };
  const first = await build(1_700_000_000_000_000_000n);
  expect(await build(1_800_000_000_123_456_789n)).toBe(first);
});

test("an image for several platforms is an index; its files come back in a folder for each", async () => {
  const folder = await createScratch();
  const context = createMemoryContext({
    Dockerfile: "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH.txt /word\n",
    "amd64.txt": "amd64",
    "arm64.txt": "arm64",
  });
  const platforms = ["linux/amd64", "linux/arm64"];
  const { manifest } = await push({}, { context, platforms, exports: [{ type: "local", folder }] });
  expect(manifest?.manifests).toHaveLength(2);
  expect(await readFile(join(folder, "linux_amd64/word"), "utf8")).toBe("amd64");
  expect(await readFile(join(folder, "linux_arm64/word"), "utf8")).toBe("arm64");
});

test.for(["oci", "docker"] as const)("an image comes back as %s tar", async (type) => {
  const folder = await createScratch();
  const file = join(folder, "deep", "image.tar");
  const { error, result } = await buildOnce({
    context: createMemoryContext(files()),
    exports: [{ type, to: file, names: ["example.com/a/b:c"] }],
  });
  expect(error).toBeUndefined();
  expect(await readdir(join(folder, "deep"))).toEqual(["image.tar"]);
  const { stdout } = await run("tar", ["-xOf", file, "index.json"]);
  const [image] = (JSON.parse(stdout) as Manifest).manifests ?? [];
  expect(image?.digest).toBe(result?.digest);
  expect(image?.annotations?.["io.containerd.image.name"]).toBe("example.com/a/b:c");
});

test("an image comes back to a folder of OCI's layout, beside the images that lie there", async () => {
  const folder = join(await createScratch(), "layout");
  const build = (tag: string) =>
    buildOnce({
      context: createMemoryContext(files()),
      exports: [{ type: "oci", folder, names: [`example.com/a/b:${tag}`] }],
    });
  const digests = [await build("one"), await build("two"), await build("one")].map(({ error, result }) => {
    expect(error).toBeUndefined();
    return result?.digest ?? "";
  });
  const { manifests } = JSON.parse(await readFile(join(folder, "index.json"), "utf8")) as Manifest;
  expect(manifests?.map(({ digest, annotations }) => [digest, annotations?.["io.containerd.image.name"]])).toEqual([
    [digests[1], "example.com/a/b:two"],
    [digests[2], "example.com/a/b:one"],
  ]);
  const blob = (digest = "") => readFile(join(folder, "blobs", digest.replace(":", "/")), "utf8");
  const manifest = JSON.parse(await blob(digests[2])) as Manifest;
  expect(JSON.parse(await blob(manifest.config.digest))).toHaveProperty("rootfs");
  expect(JSON.parse(await readFile(join(folder, "oci-layout"), "utf8"))).toEqual({ imageLayoutVersion: "1.0.0" });
});

test("two folders of OCI's layout are told to be one too many", async () => {
  const folder = await createScratch();
  const exports = ["one", "two"].map((name) => ({ type: "oci", folder: join(folder, name) }) as const);
  const { error } = await buildOnce({ context: createMemoryContext(files()), exports });
  expect(error).toMatchObject({ code: "usage", message: expect.stringContaining("2 outputs of type oci") });
});

test("the files come back as a tar, to wherever it is to go", async () => {
  const sink = new PassThrough();
  const heard = text(sink);
  const { error } = await buildOnce({
    context: createMemoryContext(files()),
    exports: [{ type: "tar", to: async () => sink }],
  });
  expect(error).toBeUndefined();
  expect(await heard).toMatch(/^a\.txt\0[\s\S]*ustar[\s\S]*a [0-9a-f-]{36}/);
});

test("several outputs of one build, and a push beside them", async () => {
  const folder = await createScratch();
  const { repository, result } = await push(
    {},
    {
      exports: [
        { type: "oci", to: join(folder, "oci.tar") },
        { type: "local", folder: join(folder, "files") },
        { type: "tar", to: join(folder, "files.tar") },
      ],
    },
  );
  expect((await readdir(folder)).sort()).toEqual(["files", "files.tar", "oci.tar"]);
  expect(await readdir(join(folder, "files"))).toEqual(["a.txt"]);
  expect(await readManifest(repository, result?.digest ?? "")).toBeDefined();
});

test("a build that fails leaves no half of a tar", async () => {
  const folder = await createScratch();
  const file = join(folder, "image.tar");
  await writeFile(file, "the last good one");
  const { error } = await buildOnce({
    context: createMemoryContext({ Dockerfile: "FROM busybox\nRUN false\n" }),
    exports: [{ type: "oci", to: file }],
  });
  expect(error?.code).toBe("build_failed");
  expect(await readdir(folder)).toEqual(["image.tar"]);
  expect(await readFile(file, "utf8")).toBe("the last good one");
});

test("an output that cannot be written fails the build with the path and the reason", async () => {
  const folder = await createScratch();
  await writeFile(join(folder, "file"), "");
  for (const output of [
    { type: "oci", to: join(folder, "file", "x.tar") } as const,
    { type: "local", folder: join(folder, "file", "x") } as const,
  ]) {
    const { error } = await buildOnce({ context: createMemoryContext(files()), exports: [output] });
    expect(error?.code).toBe("output_failed");
    expect(error?.message).toMatch(/file\/x(\.tar)?" cannot be written: E(NOTDIR|EXIST)/);
  }
});

test("the files of an image come back to a folder with modes, links and times", async () => {
  const folder = await createScratch();
  const time = 1_600_000_000_000_000_000n;
  const context = createMemoryContext({
    Dockerfile: [
      "FROM busybox AS make",
      "WORKDIR /out",
      "RUN umask 0; mkdir -m 750 d && mkdir -m 1777 d/empty && echo text > d/file && chmod 4755 d/file && \\",
      "  ln d/file second && ln -s ../../etc/passwd d/link && mkfifo pipe && : > nothing && \\",
      "  touch -h -d '2020-09-13 12:26:40' d/file d/link d",
      "FROM scratch",
      "COPY --from=make /out /",
      'COPY ["sp ace é", "/"]',
      "",
    ].join("\n"),
    "sp ace é": { content: "é", size: 2, modifiedNs: time },
  });
  const { error } = await buildOnce({ context, exports: [{ type: "local", folder }] });
  expect(error).toBeUndefined();
  const kinds = await Promise.all(
    ["d", "d/empty", "d/file", "second", "nothing", "sp ace é"].map(async (path) => {
      const { mode, mtimeMs, uid } = await lstat(join(folder, path));
      return [path, (mode & 0o7777).toString(8), mtimeMs / 1000 === Number(time / 1_000_000_000n), uid];
    }),
  );
  const owner = process.getuid?.();
  expect(kinds).toEqual([
    ["d", "750", true, owner],
    ["d/empty", "1777", false, owner],
    ["d/file", "4755", true, owner],
    ["second", "4755", true, owner],
    ["nothing", "666", false, owner],
    ["sp ace é", "644", true, owner],
  ]);
  expect(await readlink(join(folder, "d/link"))).toBe("../../etc/passwd");
  expect((await lstat(join(folder, "second"))).ino).toBe((await lstat(join(folder, "d/file"))).ino);
  expect((await readdir(folder)).sort()).toEqual(["d", "nothing", "second", "sp ace é"].sort());
});

test("D7 a folder that is to hold nothing else loses the rest, and nothing is deleted through a link", async () => {
  const scratch = await createScratch();
  const [folder, outside] = [join(scratch, "out"), join(scratch, "outside")];
  for (const path of [outside, join(folder, "kept"), join(folder, "old/deep")]) await mkdir(path, { recursive: true });
  for (const path of ["outside/precious", "out/kept/old", "out/old/deep/file", "out/a.txt", "out/file"])
    await writeFile(join(scratch, path), "old");
  await symlink(outside, join(folder, "link"));
  await symlink(outside, join(folder, "kept/link"));
  const context = createMemoryContext({
    Dockerfile: "FROM scratch\nCOPY a.txt b /kept/\nCOPY a.txt /\n",
    "a.txt": "new",
    b: "b",
  });
  const build = (mode: "copy" | "delete") => buildOnce({ context, exports: [{ type: "local", folder, mode }] });
  expect((await build("copy")).error).toBeUndefined();
  expect((await readdir(folder)).sort()).toEqual(["a.txt", "file", "kept", "link", "old"]);
  expect((await build("delete")).error).toBeUndefined();
  expect((await readdir(folder, { recursive: true })).sort()).toEqual(["a.txt", "kept", "kept/a.txt", "kept/b"]);
  expect(await readFile(join(folder, "a.txt"), "utf8")).toBe("new");
  expect(await readdir(outside)).toEqual(["precious"]);
});

test("D7 links that lie in the target folder, or come with the image, lead nothing out of it", async () => {
  const folder = await createScratch();
  const [outside, target] = [join(folder, "outside"), join(folder, "target")];
  await mkdir(outside);
  await mkdir(target);
  await writeFile(join(outside, "file"), "untouched");
  await symlink(outside, join(target, "d"));
  await symlink(join(outside, "file"), join(target, "f"));
  await mkdir(join(target, "was-folder"));
  await writeFile(join(target, "stays"), "stays");
  const context = createMemoryContext({
    Dockerfile: "FROM scratch\nCOPY . /\n",
    "d/file": "new",
    f: "new",
    "was-folder": "now a file",
    out: link(outside),
  });
  const { error } = await buildOnce({ context, exports: [{ type: "local", folder: target }] });
  expect(error).toBeUndefined();
  expect(await readdir(outside)).toEqual(["file"]);
  expect(await readFile(join(outside, "file"), "utf8")).toBe("untouched");
  expect(await readFile(join(target, "d/file"), "utf8")).toBe("new");
  expect(await readFile(join(target, "was-folder"), "utf8")).toBe("now a file");
  expect(await readFile(join(target, "stays"), "utf8")).toBe("stays");
  expect((await lstat(join(target, "f"))).isFile()).toBe(true);
});
