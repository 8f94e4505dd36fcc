import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { archive, type Member } from "../contexts/archives.ts";
import { pathsOf, textOf } from "../contexts/scratch.ts";
import { begin, post, serveBuilds, sign } from "./build-requests.ts";

const run = promisify(execFile);
const config: Member = { name: "com.openfaas.docker.config", body: '{"image":"r/Fn:1","buildArgs":{"a":"b"}}' };
const dockerfile: Member = { name: "context/Dockerfile", body: "FROM busybox" };
const body = archive(dockerfile, config);

describe("POST /build", () => {
  test("works word for word as the walkthrough of 2018 does it, with real tar and curl", async () => {
    const folder = await mkdtemp(join(tmpdir(), "of-builder-walkthrough-"));
    let seen: string[] = [];
    await using server = await serveBuilds({
      async build({ context }) {
        seen = [...(await pathsOf(context)), await textOf(context, "README.md")];
      },
    });
    const script = `
      rm -rf test-image && mkdir -p test-image && cd test-image
      echo '{"Ref": "registry.local:5000/foo/bar:latest"}' > config
      mkdir -p context
      echo "## Made with buildkit" >> context/README.md
      cat >context/Dockerfile<<EOT
FROM busybox
ADD README.md /
ENV foo bar
EOT
      tar cvf req.tar  --exclude=req.tar  .
      curl -i ${server.url}/build -X POST --data-binary @req.tar`;
    try {
      const { stdout } = await run("bash", ["-c", script], { cwd: folder });
      expect(stdout).toContain("HTTP/1.1 200 OK");
      const answer = JSON.parse(stdout.slice(stdout.lastIndexOf("\n{")));
      const image = "registry.local:5000/foo/bar:latest";
      const duration = expect.any(Number);
      expect(answer).toEqual({ log: [], imageName: image, image, status: "success", error: "", digest: "", duration });
      expect(seen).toEqual(["Dockerfile", "README.md", "## Made with buildkit\n"]);
      expect(server.orders).toMatchObject([{ image, push: true, platforms: [] }]);
      expect(await server.leftovers()).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("takes the newest form, pushes in lower case and answers with the name as it was given", async () => {
    await using server = await serveBuilds({
      async build(_order, { onEvent }) {
        onEvent({ kind: "log", vertex: "x", stream: "stdout", timestamp: 0, text: "<a> & b\n" });
        return "sha256:abc";
      },
    });
    const answer = await post(server, body, { "content-type": "application/octet-stream" });
    expect(answer.text.replace(/[\d.]+}$/, "0}")).toBe(
      '{"log":["l: 1970-01-01T00:00:00Z \\u003ca\\u003e \\u0026 b\\n"],"imageName":"r/Fn:1","image":"r/Fn:1","status":"success","error":"","digest":"sha256:abc","duration":0}',
    );
    expect(answer.headers.get("content-type")).toMatch("application/json");
    expect(server.orders).toMatchObject([{ image: "r/fn:1", buildArgs: { a: "b" }, push: true }]);
  });

  test("takes gzip, zstd, bzip2 and xz, and a config before, between or after the context", async () => {
    await using server = await serveBuilds();
    const old: Member = { name: "./config", body: '{"ref":"old/name","skipPush":true}' };
    const bodies = [
      gzipSync(body),
      zstdCompressSync(body),
      execFileSync("bzip2", ["-c"], { input: body }),
      execFileSync("xz", ["-c"], { input: body }),
      archive(old, dockerfile),
      archive({ name: "context", type: "5" }, old, dockerfile),
      archive({ name: "config", type: "5" }, { name: "config/x" }, dockerfile, config),
      archive(config, old, dockerfile),
    ];
    for (const bytes of bodies) expect((await post(server, bytes)).json).toMatchObject({ status: "success" });
    expect(server.orders.map(({ image, push }) => [image, push])).toEqual([
      ...Array.from({ length: 4 }, () => ["r/fn:1", true]),
      ["old/name", false],
      ["old/name", false],
      ["r/fn:1", true],
      ["r/fn:1", true],
    ]);
  });

  test("gives every build the arguments of the server, empty ones too, unless the request has its own", async () => {
    await using server = await serveBuilds({ buildArgs: { http_proxy: "http://p:1", no_proxy: "", a: "server's" } });
    await post(server, body);
    expect(server.orders).toMatchObject([{ buildArgs: { http_proxy: "http://p:1", no_proxy: "", a: "b" } }]);
  });

  test("has the archive on disk while it builds, and nothing left of it when it answers", async () => {
    const during: string[][] = [];
    await using server = await serveBuilds({ build: async () => void during.push(await server.leftovers()) });
    for (const bytes of [body, gzipSync(body)]) {
      await post(server, bytes);
      expect(await server.leftovers()).toEqual([]);
    }
    expect(during.map(({ length }) => length)).toEqual([1, 1]);
  });

  test.for<[BuilderError | Error, number, string]>([
    [
      new BuilderError("build_failed", "RUN false: exit code 1"),
      500,
      "failure: failed to solve: RUN false: exit code 1",
    ],
    [new BuilderError("registry_denied", "denied"), 500, "failure: denied"],
    [new BuilderError("buildkit_unreachable", "no buildkitd"), 503, "failure: no buildkitd"],
    [new Error("secret inner words"), 500, "failure: of-builder failed: see its log"],
  ])("answers a build that failed with its log: %s", async ([error, code, status]) => {
    await using server = await serveBuilds({
      async build(_order, { onEvent }) {
        onEvent({ kind: "log", vertex: "x", stream: "stdout", timestamp: 0, text: "hm" });
        throw error;
      },
    });
    const answer = await post(server, body);
    expect(answer.status).toBe(code);
    expect(answer.json).toMatchObject({ log: ["l: 1970-01-01T00:00:00Z hm"], imageName: "r/Fn:1", status });
    expect(answer.text).not.toContain("inner words");
    expect(server.bugs).toHaveLength(error instanceof BuilderError ? 0 : 1);
    expect(await server.leftovers()).toEqual([]);
  });

  test.for<[string, Buffer, number, RegExp]>([
    ["an empty body", Buffer.of(), 400, /the body is empty/],
    ["no tar", Buffer.from("x".repeat(3000)), 400, /checksum|number/],
    ["bzip2 that is cut off", Buffer.from("BZh91AY"), 400, /cannot be unpacked with bzip2/],
    ["xz that is cut off", Buffer.from("fd377a585a0000", "hex"), 400, /cannot be unpacked with xz/],
    ["zstd that is cut off", Buffer.from("28b52ffd00", "hex"), 400, /cannot be unpacked with zstd/],
    ["brotli", brotliCompressSync(body), 400, /no tar archive/],
    ["gzip that is cut off", gzipSync(body).subarray(0, 100), 400, /cannot be unpacked/],
    ["T24 no context", archive(config), 400, /no folder "context"/],
    ["T24 no config", archive(dockerfile), 400, /no file com.openfaas.docker.config or config/],
    [
      "T24 a config only inside the context",
      archive(dockerfile, { ...config, name: "context/config" }),
      400,
      /no file/,
    ],
    ["T22 a config that is no JSON", archive(dockerfile, { name: "config", body: "{" }), 400, /no JSON/],
    ["T22 a config of 2 MiB", archive(dockerfile, { name: "config", body: Buffer.alloc(2 ** 21) }), 400, /larger than/],
    ["T1 a name that climbs", archive(config, dockerfile, { name: "../x" }), 400, /has "\.\."/],
    ["T26 more than the limit", Buffer.alloc(10_000_001), 413, /larger than 10000000 bytes/],
    ["T17 a gzip bomb", gzipSync(Buffer.alloc(80_000_000)), 413, /unpacked body is larger/],
    ["a bad image name", archive(dockerfile, { name: "config", body: '{"image":"A B"}' }), 422, /image name/],
  ])("refuses %s", async ([, bytes, status, message]) => {
    await using server = await serveBuilds();
    const answer = await post(server, bytes, { accept: "application/x-ndjson" });
    expect(answer.status).toBe(status);
    expect(answer.json).toMatchObject({
      log: null,
      imageName: "",
      status: expect.stringMatching(/^unexpected failure: /),
    });
    expect(answer.json.error).toMatch(message);
    expect(server.orders).toEqual([]);
    expect(await server.leftovers()).toEqual([]);
  });

  test("aborts the build when its client hangs up", async () => {
    const { promise: aborted, resolve } = Promise.withResolvers<unknown>();
    await using server = await serveBuilds({
      async build(_order, { signal }) {
        request.destroy();
        await once(signal, "abort");
        resolve(signal.reason);
        throw signal.reason;
      },
    });
    const { request } = begin(server);
    request.on("error", () => {});
    request.end(body);
    expect(await aborted).toMatchObject({ code: "build_cancelled" });
    await expect.poll(() => server.leftovers()).toEqual([]);
    expect(server.bugs).toEqual([]);
  });

  test("T26 leaves nothing of a body that was cut off, and builds nothing", async () => {
    await using server = await serveBuilds();
    const { request } = begin(server, { "content-length": body.length });
    request.on("error", () => {});
    request.write(body.subarray(0, 600));
    await expect.poll(() => server.leftovers()).toHaveLength(1);
    request.destroy();
    await expect.poll(() => server.leftovers()).toEqual([]);
    expect(server.orders).toEqual([]);
    expect(server.bugs).toEqual([]);
  });

  test("keeps of an endless log the end", async () => {
    await using server = await serveBuilds({
      async build(_order, { onEvent }) {
        const text = "x".repeat(100_000);
        for (let n = 0; n < 200; n++)
          onEvent({ kind: "log", vertex: "x", stream: "stdout", timestamp: 0, text: `${n}${text}` });
      },
    });
    const { log } = (await post(server, body)).json as { log: string[] };
    expect(log[0]).toMatch(/^\(\d+ earlier lines left out\)$/);
    expect(log.at(-1)).toMatch(/^l: \S+ 199x/);
    expect(log.join("").length).toBeLessThan(5_000_000);
  });
});

describe("the signature of POST /build", () => {
  const secret = async () => "s3cret";

  test.for<[string, () => Record<string, string>, number]>([
    ["the right one", () => ({ "x-build-signature": sign(body, "s3cret") }), 200],
    ["T26 in capitals", () => ({ "x-build-signature": sign(body, "s3cret").toUpperCase().replace("SHA", "sha") }), 200],
    ["T26 none", () => ({}), 401],
    ["an empty one", () => ({ "x-build-signature": "" }), 401],
    ["of another secret", () => ({ "x-build-signature": sign(body, "other") }), 401],
    ["T26 of an empty body", () => ({ "x-build-signature": sign(Buffer.of(), "s3cret") }), 401],
    ["T26 of half the body", () => ({ "x-build-signature": sign(body.subarray(0, 512), "s3cret") }), 401],
    ["too short", () => ({ "x-build-signature": sign(body, "s3cret").slice(0, -2) }), 401],
    ["too long", () => ({ "x-build-signature": `${sign(body, "s3cret")}00` }), 401],
    ["no hex", () => ({ "x-build-signature": `sha256=${"z".repeat(64)}` }), 401],
    ["T26 SHA-1 in the new header", () => ({ "x-build-signature": sign(body, "s3cret", "sha1") }), 401],
    ["SHA-1 in the old header", () => ({ "x-cloud-signature": sign(body, "s3cret", "sha1") }), 401],
    ["SHA-256 in the old header", () => ({ "x-cloud-signature": sign(body, "s3cret") }), 401],
  ])("%s", async ([, headers, status]) => {
    await using server = await serveBuilds({ secret });
    const answer = await post(server, body, headers());
    expect(answer.status).toBe(status);
    expect(server.orders).toHaveLength(status === 200 ? 1 : 0);
    expect(await server.leftovers()).toEqual([]);
  });

  test.for<[string, () => Record<string, string>, number]>([
    ["the right one of SHA-1", () => ({ "x-cloud-signature": sign(body, "s3cret", "sha1") }), 200],
    [
      "T26 the right one of SHA-1 in capitals",
      () => ({ "x-cloud-signature": sign(body, "s3cret", "sha1").toUpperCase().replace("SHA", "sha") }),
      200,
    ],
    ["a wrong one of SHA-1", () => ({ "x-cloud-signature": sign(body, "other", "sha1") }), 401],
    [
      "a wrong new one beside a right old one",
      () => ({ "x-build-signature": sign(body, "other"), "x-cloud-signature": sign(body, "s3cret", "sha1") }),
      401,
    ],
    ["none", () => ({}), 401],
  ])("where SHA-1 is allowed: %s", async ([, headers, status]) => {
    await using server = await serveBuilds({ secret, allowSha1: true });
    expect((await post(server, body, headers())).status).toBe(status);
  });

  test("is of the bytes that were sent, compressed ones too", async () => {
    await using server = await serveBuilds({ secret });
    const packed = gzipSync(body);
    expect((await post(server, packed, { "x-build-signature": sign(packed, "s3cret") })).status).toBe(200);
    expect((await post(server, packed, { "x-build-signature": sign(body, "s3cret") })).status).toBe(401);
  });

  test("comes before anything in the body is looked at", async () => {
    let opened = 0;
    const openArchive = async () => {
      opened += 1;
      throw new Error("opened");
    };
    await using server = await serveBuilds({ secret, openArchive });
    const bomb = gzipSync(Buffer.alloc(80_000_000));
    expect((await post(server, bomb, { "x-build-signature": sign(body, "s3cret") })).status).toBe(401);
    expect(opened).toBe(0);
  });

  test("cannot be switched off by an empty secret", async () => {
    await using server = await serveBuilds({ secret: async () => "" });
    expect((await post(server, body, { "x-build-signature": sign(body, "") })).status).toBe(500);
    expect(server.orders).toEqual([]);
  });

  test("is refused with a status that a client sees which first writes all of a large body", async () => {
    await using server = await serveBuilds({ secret });
    const { request, response } = begin(server, { "content-length": 9_000_000 });
    request.end(Buffer.alloc(9_000_000));
    const answer = await response;
    expect(answer.statusCode).toBe(401);
    answer.resume();
    await once(answer, "end");
  });
});
