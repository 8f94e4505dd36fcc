import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Log } from "../log.ts";
import { answersHttp2 } from "./answers.ts";
import { type Child, type Program, startChild } from "./child.ts";
import { clearLeftovers, rememberStart } from "./leftovers.ts";

/** A buildkitd of our own: one state folder, one unix socket that only this user can open. */
export interface Buildkitd extends AsyncDisposable {
  /** `unix:///PATH` */
  readonly address: string;
  readonly pid: number;
  /** Resolves with how it ended, asked or not. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

export interface BuildkitdOptions {
  readonly binary: string;
  /** Path of runc. */
  readonly runc: string;
  /** Path of rootlesskit; given = run rootless, which is what anyone but root has to do. */
  readonly rootlesskit?: string;
  /** For everything it keeps. A second start on the same folder finds the cache of the first. */
  readonly folder: string;
  /** host:port of a registry that is asked for docker.io's images first; docker.io itself stays the fallback. */
  readonly mirror?: string;
  /** host:port of registries that speak plain HTTP. */
  readonly insecureRegistries: readonly string[];
  readonly log: Log;
  readonly signal: AbortSignal;
}

const startLimitMs = 60_000;
/** Linux takes 107 bytes for the path of a socket, and those of buildkitd have no longer name than ours. */
const maxSocketPathBytes = 107;
const socketName = "buildkitd.sock";

/**
 * Starts buildkitd and waits until it answers. What an earlier one that was killed left in the folder (processes,
 * mounts) is removed first.
 * @throws BuilderError `tool_missing` with the end of its log
 */
export async function startBuildkitd(options: BuildkitdOptions): Promise<Buildkitd> {
  const { log, signal } = options;
  const folder = resolve(options.folder);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await clearLeftovers(folder, { log });
  await emptyTemporaryFolder(folder);
  const socketFolder = await makeSocketFolder(folder);
  const socket = join(socketFolder, socketName);
  const address = `unix://${socket}`;
  try {
    await writeFile(join(folder, "buildkitd.toml"), buildkitdConfig({ ...options, folder, socket }));
    const answers = (attempt: AbortSignal) => answersHttp2(address, { signal: attempt });
    const child = await startChild(program(options, { folder, socketFolder }), {
      answers,
      limitMs: startLimitMs,
      signal,
    });
    await rememberStart(folder, { pid: child.pid, socketFolder });
    log.info({ buildkit: address, pid: child.pid }, "buildkitd started");
    return running(child, { address, folder, log, socketFolder });
  } catch (error) {
    await rm(socketFolder, { recursive: true, force: true });
    throw error;
  }
}

/** What builds leave in the folder for temporary files is of no use to the next start. */
async function emptyTemporaryFolder(folder: string): Promise<void> {
  await rm(join(folder, "tmp"), { recursive: true, force: true });
  await mkdir(join(folder, "tmp"), { mode: 0o700 });
}

/** The folder that the sockets lie in, and nothing else; it goes when they do. */
async function makeSocketFolder(folder: string): Promise<string> {
  const own = join(folder, "run");
  if (Buffer.byteLength(join(own, socketName)) > maxSocketPathBytes) {
    return mkdtemp(join(tmpdir(), "of-builder-buildkitd-"));
  }
  await mkdir(own, { recursive: true, mode: 0o700 });
  return own;
}

function program(
  { binary, rootlesskit }: BuildkitdOptions,
  { folder, socketFolder }: { folder: string; socketFolder: string },
): Program {
  // env and not an option of spawn: the rest of the environment (proxies, certificates) is passed on unread. TMPDIR is
  // the daemon's alone: rootlesskit puts a socket there, whose path has to be short.
  const daemon = ["env", `TMPDIR=${join(folder, "tmp")}`, binary, "--config", join(folder, "buildkitd.toml")];
  const rootless = ["--rootless", "--oci-worker-no-process-sandbox"];
  const line = rootlesskit === undefined ? daemon : [rootlesskit, ...daemon, ...rootless];
  return {
    name: "buildkitd",
    command: "env",
    args: [`XDG_RUNTIME_DIR=${socketFolder}`, ...line],
    folder,
    logFile: join(folder, "buildkitd.log"),
  };
}

interface Surroundings {
  address: string;
  folder: string;
  log: Log;
  socketFolder: string;
}

function running(child: Child, { address, folder, log, socketFolder }: Surroundings): Buildkitd {
  const stop = async () => {
    await child.stop();
    await clearLeftovers(folder, { log });
    await rm(socketFolder, { recursive: true, force: true });
  };
  return { address, pid: child.pid, ended: child.ended, stop, [Symbol.asyncDispose]: stop };
}

/**
 * buildkitd.toml. Sizes are absolute: BuildKit's own limits are shares of the disk, and on a disk that is nearly full
 * they would drop the whole cache after each build. No entitlement is allowed, and the only frontend that a Dockerfile
 * may name in its `# syntax=` line is Docker's own.
 */
export function buildkitdConfig({
  folder,
  socket,
  runc,
  mirror,
  insecureRegistries,
}: Pick<BuildkitdOptions, "folder" | "runc" | "mirror" | "insecureRegistries"> & { socket: string }): string {
  const plain = new Set([...(mirror === undefined ? [] : [mirror]), ...insecureRegistries]);
  const lines = [
    `root = ${toml(join(folder, "state"))}`,
    "[grpc]",
    `address = [${toml(`unix://${socket}`)}]`,
    "[otel]",
    `socketPath = ${toml(join(dirname(socket), "otel.sock"))}`,
    "[cdi]",
    "disabled = true",
    "[worker.containerd]",
    "enabled = false",
    "[worker.oci]",
    "enabled = true",
    `binary = ${toml(runc)}`,
    'reservedSpace = "2GB"',
    'maxUsedSpace = "20GB"',
    'minFreeSpace = "1GB"',
    '[frontend."gateway.v0"]',
    'allowedRepositories = ["docker.io/docker/dockerfile", "docker.io/docker/dockerfile-upstream"]',
    ...(mirror === undefined ? [] : ['[registry."docker.io"]', `mirrors = [${toml(mirror)}]`]),
    ...[...plain].flatMap((host) => [`[registry.${toml(host)}]`, "http = true"]),
  ];
  return `${lines.join("\n")}\n`;
}

/** A basic string of TOML; its escapes are those of JSON. */
function toml(text: string): string {
  return JSON.stringify(text);
}
