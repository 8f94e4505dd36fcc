import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { constants, gzipSync } from "node:zlib";
import { BuilderError } from "../errors.ts";
import { machineOf } from "./elf.ts";
import { type TarEntry, writeTar } from "./tar.ts";

const run = promisify(execFile);
const manifestType = "application/vnd.oci.image.manifest.v1+json";
const configType = "application/vnd.oci.image.config.v1+json";
const layerType = "application/vnd.oci.image.layer.v1.tar+gzip";

/**
 * Gives a registry the image `library/busybox:latest`, made of this machine's static busybox, so that `FROM busybox`
 * needs no public registry where this one is docker.io's mirror. The same busybox gives the same digest. An image that
 * is there already stays.
 *
 * Protocol (OCI distribution 1.1): POST /v2/NAME/blobs/uploads/ answers a Location; PUT of the bytes there with
 * ?digest=; then PUT /v2/NAME/manifests/TAG.
 * @param registry host:port of a registry that speaks plain HTTP
 * @param busybox path of the program
 * @returns whether the image had to be pushed
 * @throws BuilderError `tool_missing` when the busybox is not static, `registry_unreachable` when the registry refuses
 */
export async function pushBaseImage({
  registry,
  busybox,
  signal,
}: {
  registry: string;
  busybox: string;
  signal: AbortSignal;
}): Promise<"pushed" | "present"> {
  const repository = `http://${registry}/v2/library/busybox`;
  const manifestUrl = `${repository}/manifests/latest`;
  const found = await fetch(manifestUrl, { method: "HEAD", headers: { accept: manifestType }, signal });
  if (found.ok) return "present";
  const { layer, config, manifest } = await createBaseImage(busybox, { signal });
  for (const blob of [layer, config]) await pushBlob(repository, blob, { signal });
  await send(manifestUrl, { method: "PUT", headers: { "content-type": manifestType }, body: manifest, signal });
  return "pushed";
}

interface Image {
  readonly layer: Buffer;
  readonly config: Buffer;
  readonly manifest: Buffer;
}

/** The parts of the image, as bytes. */
async function createBaseImage(busybox: string, { signal }: { signal: AbortSignal }): Promise<Image> {
  const program = await readFile(busybox);
  const machine = machineOf(program);
  if (machine === undefined || !machine.isStatic) {
    const message = `"${busybox}" cannot stand alone in an image: expected a static program`;
    throw new BuilderError("tool_missing", message, { fix: "Install it: apt-get install -y busybox-static" });
  }
  const { stdout } = await run(busybox, ["--list"], { signal, maxBuffer: 1024 * 1024 });
  const tar = writeTar(filesOf(program, stdout.trim().split("\n")));
  const layer = gzipSync(tar, { level: constants.Z_BEST_SPEED });
  const config = json({
    architecture: machine.architecture,
    os: "linux",
    created: "1970-01-01T00:00:00Z",
    config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], Cmd: ["sh"] },
    rootfs: { type: "layers", diff_ids: [digestOf(tar)] },
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: configType, digest: digestOf(config), size: config.length },
    layers: [{ mediaType: layerType, digest: digestOf(layer), size: layer.length }],
  });
  return { layer, config, manifest };
}

function filesOf(program: Buffer, applets: readonly string[]): TarEntry[] {
  const folders = ["bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "usr", "usr/bin", "usr/sbin", "var"];
  const links = applets.filter((name) => name !== "busybox" && /^[A-Za-z0-9_[.+-]+$/.test(name));
  return [
    ...folders.map((path) => ({ path, mode: path === "tmp" ? 0o1777 : 0o755, kind: "folder" }) as const),
    { path: "bin/busybox", mode: 0o755, kind: "file", bytes: program },
    ...links.map((name) => ({ path: `bin/${name}`, mode: 0o777, kind: "link", target: "busybox" }) as const),
    // Scripts name it by this path.
    { path: "usr/bin/env", mode: 0o777, kind: "link", target: "../../bin/busybox" },
    textFile("etc/passwd", ["root:x:0:0:root:/root:/bin/sh", "nobody:x:65534:65534:nobody:/home:/bin/false"]),
    textFile("etc/group", ["root:x:0:", "nobody:x:65534:"]),
  ];
}

function textFile(path: string, lines: readonly string[]): TarEntry {
  return { path, mode: 0o644, kind: "file", bytes: Buffer.from(`${lines.join("\n")}\n`) };
}

async function pushBlob(repository: string, bytes: Buffer, { signal }: { signal: AbortSignal }): Promise<void> {
  const started = await send(`${repository}/blobs/uploads/`, { method: "POST", signal });
  const target = new URL(started.headers.get("location") ?? "", repository);
  target.searchParams.set("digest", digestOf(bytes));
  const headers = { "content-type": "application/octet-stream" };
  await send(target.href, { method: "PUT", headers, body: bytes, signal });
}

async function send(url: string, request: RequestInit): Promise<Response> {
  const answer = await fetch(url, request);
  const text = await answer.text();
  if (answer.ok) return answer;
  const message = `the registry answered ${answer.status} to ${request.method} ${new URL(url).pathname}: ${text.slice(0, 300)}`;
  throw new BuilderError("registry_unreachable", message);
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
