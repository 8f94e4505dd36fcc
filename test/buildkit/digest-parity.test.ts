import { execFile } from "node:child_process";
import { randomInt, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import type { ImageOptions } from "../../src/buildkit/exporters.ts";
import { createDirectoryContext } from "../../src/contexts/directory.ts";
import { findProgram } from "../../src/parts/find-program.ts";
import { createRandom } from "../random.ts";
import { buildOnce } from "./one-build.ts";
import { drawImage, drawnStages, drawOptions, type Options } from "./random-options.ts";
import { drawPatterns, drawTree, type Node, type Tree, writeTree } from "./random-tree.ts";

const run = promisify(execFile);
const sourceDateEpoch = 1_700_000_000;

/** What both sides are given: a folder, a Dockerfile, and options that each is told in its own words. */
interface Case {
  readonly what: string;
  readonly tree?: Tree;
  readonly dockerfile?: readonly string[];
  readonly ignore?: readonly string[];
  readonly options?: Options;
  readonly image?: ImageOptions;
}

function file(content: string, mode = 0o644): Node {
  return { kind: "file", content, mode };
}

function folder(mode = 0o755): Node {
  return { kind: "folder", mode };
}

function link(target: string): Node {
  return { kind: "link", target };
}

const small: Tree = { "a.txt": file("a"), d: folder(), "d/b.txt": file("bb"), "d/c.md": file("ccc", 0o600) };
const links: Tree = {
  ...small,
  relative: link("d/b.txt"),
  absolute: link("/d/b.txt"),
  folder: link("d"),
  chain: link("relative"),
  dangling: link("no/where"),
  outwards: link("../../../etc/passwd"),
  loop: link("loop"),
  "d/up": link("../a.txt"),
  hard: { kind: "hardlink", to: "a.txt" },
  "d/hard": { kind: "hardlink", to: "a.txt" },
};
const modes: Tree = Object.fromEntries(
  [0o400, 0o444, 0o555, 0o644, 0o755, 0o777, 0o1644, 0o2755, 0o4755, 0o6711, 0o7777].map((mode) => [
    `m${mode.toString(8)}`,
    file(`mode ${mode}`, mode),
  ]),
);
const copyAll = ["FROM scratch", "COPY . /"];
const stages = ["FROM scratch AS one", "COPY a.txt /one", "FROM scratch AS two", "COPY --from=one /one /two"];

const cases: readonly Case[] = [
  { what: "one file", tree: { "a.txt": file("hello") } },
  { what: "an empty file", tree: { empty: file("") } },
  { what: "files in folders", tree: small },
  { what: "links of every kind", tree: links },
  { what: "modes of files", tree: modes },
  {
    what: "modes of folders",
    tree: { a: folder(0o700), b: folder(0o1777), "b/c": folder(0o2775), "b/c/d": file("d") },
  },
  { what: "a folder without anything in it", tree: { empty: folder(), "empty/too": folder(0o750) } },
  { what: "a pipe", tree: { ...small, pipe: { kind: "pipe", mode: 0o640 } } },
  { what: "names with spaces", tree: { "two words.txt": file("2"), "a folder": folder(), "a folder/ b ": file("b") } },
  {
    what: "names that are not ASCII",
    tree: { "é.txt": file("1"), "e\u0301.txt": file("2"), 日本: folder(), "日本/😀": file("3") },
  },
  {
    what: "names with signs",
    tree: { "a,b": file("1"), "c=d": file("2"), "e%20f": file("3"), "g'h\"i": file("4"), "[j]": file("5") },
  },
  { what: "a file larger than one packet", tree: { large: file("0123456789abcdef".repeat(200_000)) } },
  {
    what: "files around the size of one message",
    tree: Object.fromEntries(
      [262_143, 262_144, 262_145, 1_048_576, 1_048_577].map((size) => [`s${size}`, file("x".repeat(size))]),
    ),
  },
  {
    what: "300 files",
    tree: Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`f${at}`, file(`file ${at}`)])),
  },
  { what: "folders in each other", tree: { "a/b/c/d/e/f/g/h/i/j": file("deep") } },
  {
    what: "names whose order depends on the slash",
    tree: { a: folder(), "a/z": file("1"), "a.b": file("2"), "a-b": file("3"), ab: file("4") },
  },
  { what: "a COPY of one file", tree: small, dockerfile: ["FROM scratch", "COPY a.txt /x"] },
  { what: "a COPY of a folder", tree: small, dockerfile: ["FROM scratch", "COPY d /x/"] },
  { what: "a COPY by wildcard", tree: small, dockerfile: ["FROM scratch", "COPY d/*.txt *.txt /x/"] },
  { what: "a COPY through a link", tree: links, dockerfile: ["FROM scratch", "COPY folder/b.txt chain /x/"] },
  { what: "a COPY of a link to a folder", tree: links, dockerfile: ["FROM scratch", "COPY folder /x"] },
  {
    what: "a COPY of a name with a space",
    tree: { "a b": file("1") },
    dockerfile: ["FROM scratch", 'COPY ["a b", "/c d"]'],
  },
  {
    what: "COPY --chown and --chmod",
    tree: small,
    dockerfile: ["FROM scratch", "COPY --chown=12:34 --chmod=640 d /x/"],
  },
  { what: "COPY --exclude", tree: small, dockerfile: ["FROM scratch", "COPY --exclude=*.md d /x/"] },
  { what: "COPY --parents", tree: small, dockerfile: ["# syntax=", "FROM scratch", "COPY --parents d/b.txt /x/"] },
  { what: "COPY --link", tree: small, dockerfile: ["FROM scratch", "COPY --link d /x/"] },
  { what: "several COPY", tree: small, dockerfile: ["FROM scratch", "COPY a.txt /1", "COPY d /2", "COPY . /3"] },
  { what: "a here-document", dockerfile: ["FROM scratch", "COPY <<END /x", "hello", "END"] },
  { what: "stages", tree: small, dockerfile: stages },
  {
    what: "everything that a config can hold",
    dockerfile: [
      "FROM scratch",
      "ENV A=1 B='2 3'",
      "LABEL l=1",
      "WORKDIR /w",
      "USER 5:6",
      "EXPOSE 80/udp",
      "VOLUME /v",
      "STOPSIGNAL 9",
      'CMD ["a"]',
      'ENTRYPOINT ["b"]',
      "HEALTHCHECK CMD c",
      "ONBUILD ENV D=4",
    ],
  },
  { what: "a .dockerignore", tree: small, ignore: ["d/*.md", "# comment", ""] },
  { what: "a .dockerignore with exceptions", tree: small, ignore: ["*", "!d", "d/b.txt", "!a.*"] },
  { what: "a .dockerignore of folders", tree: small, ignore: ["**/d/"] },
  { what: "a .dockerignore that leaves the Dockerfile out", tree: small, ignore: ["Dockerfile", ".dockerignore"] },
  {
    what: "build arguments",
    dockerfile: ["ARG V=1", "FROM scratch", "ARG V", "ARG W", "LABEL v=$V w=$W"],
    options: { buildArgs: { V: "2", W: "a b,c=é" } },
  },
  { what: "labels", options: { labels: { "com.example.a": "1", b: "two words" } } },
  { what: "a target", tree: small, dockerfile: stages, options: { target: "one" } },
  {
    what: "a Dockerfile of another name",
    tree: { ...small, "sub/App.Dockerfile": file("FROM scratch\nCOPY d /\n") },
    options: { dockerfile: "sub/App.Dockerfile" },
  },
  { what: "another platform", tree: small, options: { platforms: ["linux/arm64"] } },
  { what: "two platforms", tree: small, options: { platforms: ["linux/amd64", "linux/arm64"] } },
  { what: "OCI media types", tree: small, image: { ociMediaTypes: true } },
  { what: "Docker's media types", tree: small, image: { ociMediaTypes: false } },
  { what: "layers without compression", tree: small, image: { compression: "uncompressed" } },
  { what: "layers in zstd", tree: small, image: { compression: "zstd", compressionLevel: 3, ociMediaTypes: true } },
  { what: "layers in estargz", tree: small, image: { compression: "estargz", ociMediaTypes: true } },
  {
    what: "annotations",
    tree: small,
    image: { ociMediaTypes: true, annotations: { "org.example.a": "1", "manifest:b": "2" } },
  },
  { what: "times of files as they are", tree: { "a.txt": file("a") }, image: { rewriteTimestamp: false } },
  { what: "a RUN", dockerfile: ["FROM busybox", "RUN echo $((1 + 2)) > /three"] },
  {
    what: "a RUN with limits, hosts and no network",
    dockerfile: [
      "FROM busybox",
      "RUN ulimit -n > /n; grep far /etc/hosts > /h; df -k /dev/shm | tail -n 1 | awk '{print $2}' > /s",
    ],
    options: { ulimits: { nofile: "512:1024" }, shmBytes: 1_048_576, hosts: { far: "10.0.0.1" }, network: "none" },
  },
];

describe("the image that buildctl pushes is made, to its digest, of", () => {
  test.concurrent.for(cases)("$what", async (row) => {
    expect(cases.length).toBeGreaterThanOrEqual(40);
    await expectParity(row);
  });
});

const isException = (pattern: string) => pattern.startsWith("!");
const firstSeed = randomInt(2 ** 31);

describe("and of what a generator draws", () => {
  test.concurrent.for(Array.from({ length: 8 }, (_, at) => firstSeed + at))(
    "from seed %i",
    async (seed, { onTestFailed }) => {
      const random = createRandom(seed);
      const tree = drawTree(random, 40);
      // What a later pattern excludes of what an exception has let in, buildctl sends without its bytes.
      const ignore = drawPatterns(random, tree).toSorted(
        (one, other) => Number(isException(one)) - Number(isException(other)),
      );
      const { options, image } = { options: drawOptions(random), image: drawImage(random) };
      // A failure tells the seed in its title and, here, what it stands for.
      onTestFailed(() => console.error(JSON.stringify({ seed, options, image, ignore })));
      await expectParity({ what: `seed ${seed}`, tree, dockerfile: drawnStages, ignore, options, image });
    },
  );
});

async function expectParity({
  tree = {},
  dockerfile = copyAll,
  ignore,
  options = {},
  image = {},
}: Case): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "of-builder-parity-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  writeTree(root, tree);
  if (options.dockerfile === undefined) writeFileSync(join(root, "Dockerfile"), `${dockerfile.join("\n")}\n`);
  if (ignore !== undefined) writeFileSync(join(root, ".dockerignore"), `${ignore.join("\n")}\n`);
  const packed = { rewriteTimestamp: true, ...image };
  const name = `${inject("registry")}/parity/${randomUUID()}`;
  await buildByPeer(root, `${name}:peer`, { options, image: packed });
  const { result, error } = await buildOnce({
    ...options,
    context: createDirectoryContext(root, { within: root, links: "keep" }),
    sourceDateEpoch,
    noCache: true,
    image: { ...packed, names: [`${name}:ours`], push: true, insecure: true },
  });
  expect(error).toBeUndefined();
  const [ours, peer] = await Promise.all([readDigest(`${name}:ours`), readDigest(`${name}:peer`)]);
  expect(ours).toMatch(/^sha256:/);
  expect({ pushed: ours, told: result?.digest }).toEqual({ pushed: peer, told: peer });
}

async function buildByPeer(
  root: string,
  name: string,
  { options, image }: { options: Options; image: ImageOptions },
): Promise<void> {
  const inputs = ["--frontend", "dockerfile.v0", "--local", `context=${root}`, "--local", `dockerfile=${root}`];
  const opts = Object.entries(peerOptions(options)).flatMap(([key, value]) =>
    value === undefined ? [] : ["--opt", `${key}=${value}`],
  );
  const buildctl = await findProgram("buildctl", { path: process.env.PATH ?? "", first: [".tools/bin"] });
  const rest = ["--no-cache", "--progress", "plain", "--output", peerOutput(name, image)];
  const args = ["--addr", inject("buildkit"), "build", ...inputs, ...opts, ...rest];
  await run(buildctl ?? "buildctl", args, { maxBuffer: 2 ** 26 });
}

function peerOptions(options: Options): Record<string, string | undefined> {
  return {
    filename: options.dockerfile ?? "Dockerfile",
    "build-arg:SOURCE_DATE_EPOCH": String(sourceDateEpoch),
    ...prefixed("build-arg:", options.buildArgs),
    ...prefixed("label:", options.labels),
    target: options.target,
    platform: options.platforms?.join(","),
    ulimit: pairs(options.ulimits)?.join(","),
    "shm-size": options.shmBytes?.toString(),
    "add-hosts": pairs(options.hosts)?.join(","),
    "force-network-mode": options.network,
  };
}

function peerOutput(name: string, image: ImageOptions): string {
  const attrs = {
    compression: image.compression,
    "compression-level": image.compressionLevel,
    "force-compression": image.forceCompression,
    "oci-mediatypes": image.ociMediaTypes,
    "rewrite-timestamp": image.rewriteTimestamp,
  };
  const given = Object.entries(attrs).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]));
  const annotations = pairs(image.annotations) ?? [];
  const annotated = annotations.map((pair) => `annotation.${pair}`.replace(".manifest:", "-manifest."));
  return [`type=image,name=${name},push=true,registry.insecure=true`, ...given, ...annotated].join(",");
}

function pairs(values: Readonly<Record<string, string>> | undefined): string[] | undefined {
  return values && Object.entries(values).map((pair) => pair.join("="));
}

function prefixed(prefix: string, values: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [prefix + key, value]));
}

async function readDigest(name: string): Promise<string | null> {
  const [, host, path, tag] = /^(.*?)\/(.*):(.*)$/.exec(name) ?? [];
  const types = ["oci.image.manifest.v1", "oci.image.index.v1"].map((type) => `application/vnd.${type}+json`);
  const docker = ["manifest.v2", "manifest.list.v2"].map((type) => `application/vnd.docker.distribution.${type}+json`);
  const answer = await fetch(`http://${host}/v2/${path}/manifests/${tag}`, {
    method: "HEAD",
    headers: { accept: [...types, ...docker].join(", ") },
  });
  return answer.headers.get("docker-content-digest");
}
