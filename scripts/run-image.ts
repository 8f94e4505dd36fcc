import { execFile } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { askRegistry } from "../test/ask-registry.ts";

const run = promisify(execFile);

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

/**
 * Runs a function's image without a container engine and sends it one HTTP request: its layers are unpacked to a
 * folder, its command runs there with a network, a process tree and a root of its own.
 * @param image `HOST:PORT/REPOSITORY:TAG` in a registry that speaks plain HTTP
 * @param body what is posted to port 8080; a GET where absent
 * @returns what it answers
 */
export async function callImage(image: string, { body }: { body?: string } = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "of-builder-run-"));
  try {
    const root = join(folder, "root");
    const { command, workingFolder } = await unpack(image, { folder, root });
    const rights = process.getuid?.() === 0 ? [] : ["--map-root-user"];
    const isolation = ["--net", "--pid", "--fork", "--kill-child", ...rights];
    const { stdout } = await run("unshare", [...isolation, "sh", "-c", script, "sh", root, workingFolder, ...command], {
      env: {
        PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        REQUEST: requestOf(body),
      },
    });
    const [head = "", ...rest] = stdout.split("\r\n\r\n");
    if (!/^HTTP\/1\.[01] 200 /.test(head)) throw new Error(`${image} answered: ${head}`);
    return rest.join("\r\n\r\n");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Arguments: root, working folder and the command, which gets neither a terminal nor anybody's network. The request is
 * sent by nc: the wget of a static busybox asks the C library for names, and crashes.
 */
const script = `
busybox ip link set lo up
root=$1 folder=$2; shift 2
busybox chroot "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$folder" "$@" >/dev/null 2>&1 &
for attempt in $(seq 100); do
  printf '%s' "$REQUEST" | busybox nc 127.0.0.1 8080 2>/dev/null && exit 0
  sleep 0.1
done
echo "the image answers nothing on port 8080" >&2
exit 1`;

function requestOf(body: string | undefined): string {
  const headers = ["Host: 127.0.0.1", `Content-Length: ${Buffer.byteLength(body ?? "")}`];
  return [`${body === undefined ? "GET" : "POST"} / HTTP/1.0`, ...headers, "", body ?? ""].join("\r\n");
}

async function unpack(image: string, { folder, root }: { folder: string; root: string }) {
  const [, host = "", repository = "", tag = ""] = /^([^/]+)\/(.+):([^:]+)$/.exec(image) ?? [];
  const registry = `http://${host}/v2/${repository}`;
  const manifest = (await (await get(`${registry}/manifests/${tag}`)).json()) as Manifest;
  await mkdir(root);
  for (const { digest } of manifest.layers) {
    const file = join(folder, "layer.tar.gz");
    const layer = await get(`${registry}/blobs/${digest}`);
    await pipeline(Readable.fromWeb(layer.body as never), createWriteStream(file));
    await run("tar", ["-xzf", file, "-C", root, "--no-same-owner"]);
  }
  const { config } = (await (await get(`${registry}/blobs/${manifest.config.digest}`)).json()) as {
    config: { Entrypoint?: string[]; Cmd?: string[]; WorkingDir?: string };
  };
  return { command: [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])], workingFolder: config.WorkingDir || "/" };
}

async function get(url: string): Promise<Response> {
  const answer = await askRegistry(url);
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return answer;
}
