import { execFile } from "node:child_process";
import { mkdtemp, rm, statfs } from "node:fs/promises";
import { freemem, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { createLog } from "../src/log.ts";
import { pushBaseImage } from "../src/parts/base-image.ts";
import { startBuildkitd } from "../src/parts/buildkitd.ts";
import { findProgram } from "../src/parts/find-program.ts";
import { startRegistry } from "../src/parts/registry-server.ts";

const run = promisify(execFile);

/** What a bench measures against: real programs in a folder of their own, gone when it is disposed. */
export interface RealParts extends AsyncDisposable {
  /** For the bench's own files, too; removed with everything else. In memory where there is room. */
  readonly folder: string;
  /** Address of a buildkitd that has the registry as docker.io's mirror. */
  readonly buildkit: string;
  /** host:port of a registry with `library/busybox`, plain HTTP. */
  readonly registry: string;
  /** Path of buildctl, the peer. */
  readonly buildctl: string;
}

const startLimitMs = 120_000;
const memoryFolder = "/dev/shm";
/** A bench of contexts of one gigabyte leaves some of them in the daemon's cache. */
const roomyBytes = 14 * 1024 ** 3;

/**
 * Starts a buildkitd and a registry for one bench. They share nothing with others on this machine.
 * @throws Error naming the program that is missing
 */
export async function startRealParts(): Promise<RealParts> {
  const parts = new AsyncDisposableStack();
  try {
    const folder = await mkdtemp(join(await quickFolder(), "of-builder-bench-"));
    parts.defer(() => rm(folder, { recursive: true, force: true }));
    const [log, signal] = [createLog("error"), AbortSignal.timeout(startLimitMs)];
    const binary = await program("registry");
    const registry = parts.use(await startRegistry({ binary, folder: join(folder, "registry"), log, signal }));
    await pushBaseImage({ registry: registry.host, busybox: await program("busybox"), signal });
    const buildkitd = parts.use(
      await startBuildkitd({
        binary: await program("buildkitd"),
        runc: await program("runc"),
        ...(process.getuid?.() === 0 ? {} : { rootlesskit: await program("rootlesskit") }),
        folder: join(folder, "buildkit"),
        mirror: registry.host,
        insecureRegistries: [registry.host],
        log,
        signal,
      }),
    );
    return {
      folder,
      buildkit: buildkitd.address,
      registry: registry.host,
      buildctl: await program("buildctl"),
      [Symbol.asyncDispose]: () => parts.disposeAsync(),
    };
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

/** Lets BuildKit forget all that it keeps: else each run finds it with more in memory than the run before. */
export async function prune({ buildctl, buildkit }: RealParts, { signal }: { signal: AbortSignal }): Promise<void> {
  await run(buildctl, ["--addr", buildkit, "prune", "--all"], { signal, maxBuffer: 16 * 1024 * 1024 });
}

/** In memory where there is room, for both sides alike, so that the disk is not what is measured. */
async function quickFolder(): Promise<string> {
  try {
    const { bavail, bsize } = await statfs(memoryFolder);
    return Math.min(bavail * bsize, freemem()) > roomyBytes ? memoryFolder : tmpdir();
  } catch {
    return tmpdir();
  }
}

/** Path of a program from `npm run tools` or of this machine. @throws Error where it is missing */
export async function program(name: string): Promise<string> {
  const found = await findProgram(name, { path: process.env.PATH ?? "", first: [resolve(".tools/bin")] });
  if (found === undefined) throw new Error(`${name} is missing: npm run tools`);
  return found;
}
