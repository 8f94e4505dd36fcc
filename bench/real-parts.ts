import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createLog } from "../src/log.ts";
import { pushBaseImage } from "../src/parts/base-image.ts";
import { startBuildkitd } from "../src/parts/buildkitd.ts";
import { findProgram } from "../src/parts/find-program.ts";
import { startRegistry } from "../src/parts/registry-server.ts";

/** What a bench measures against: real programs in a folder of their own, gone when it is disposed. */
export interface RealParts extends AsyncDisposable {
  /** For the bench's own files; removed with everything else. */
  readonly folder: string;
  /** Address of a buildkitd that has the registry as docker.io's mirror. */
  readonly buildkit: string;
  /** host:port of a registry with `library/busybox`, plain HTTP. */
  readonly registry: string;
  /** Path of buildctl, the peer. */
  readonly buildctl: string;
}

const startLimitMs = 120_000;

/**
 * Starts a buildkitd and a registry for one bench. They share nothing with others on this machine.
 * @throws Error naming the program that is missing
 */
export async function startRealParts(): Promise<RealParts> {
  const parts = new AsyncDisposableStack();
  try {
    const folder = await mkdtemp(join(tmpdir(), "of-builder-bench-"));
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

async function program(name: string): Promise<string> {
  const found = await findProgram(name, { path: process.env.PATH ?? "", first: [resolve(".tools/bin")] });
  if (found === undefined) throw new Error(`${name} is missing: npm run tools`);
  return found;
}
