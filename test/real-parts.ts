import { spawn } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pino } from "pino";
import type { TestProject } from "vitest/node";
import { startPostgres } from "../src/database/embedded-postgres.ts";
import { pushBaseImage } from "../src/parts/base-image.ts";
import { findBuildkit } from "../src/parts/find-buildkit.ts";
import { findProgram } from "../src/parts/find-program.ts";
import { startRegistry } from "../src/parts/registry-server.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** Address of a buildkitd that has the registry below as docker.io's mirror. */
    buildkit: string;
    /** host:port of a registry with `library/busybox`, plain HTTP. */
    registry: string;
    /** URL of PostgreSQL, for a user that may create databases. */
    database: string;
  }
}

/** Starts the real parts once for a whole run, in a folder that goes with them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const parts = new AsyncDisposableStack();
  try {
    const folder = await mkdtemp(join(tmpdir(), "of-builder-tests-"));
    // PostgreSQL runs as a user of its own where this is root's run, and has to reach its folder.
    await chmod(folder, 0o711);
    parts.defer(() => rm(folder, { recursive: true, force: true }));
    parts.use(guardFolder(folder));
    await allOrNone([
      startBuilding(parts, folder).then(({ buildkit, registry }) => {
        project.provide("buildkit", buildkit);
        project.provide("registry", registry);
      }),
      startDatabase(parts, folder).then((url) => project.provide("database", url)),
    ]);
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
  return () => parts.disposeAsync();
}

/**
 * Removes the folder of a run that was interrupted or killed: a shell that notices by its closed input. buildkitd and
 * the registry have guardians of their own; PostgreSQL is meant to outlive its owner, here it must not.
 */
function guardFolder(folder: string): Disposable {
  const script = `read -r word && exit 0
postmaster=$(head -n 1 "$1"/postgres/pg/postmaster.pid 2>/dev/null) && kill -INT "$postmaster"
left=100
while [ "$left" -gt 0 ] && ! { sleep 0.2; rm -rf "$1"; } 2>/dev/null; do left=$((left - 1)); done`;
  const shell = spawn("/bin/sh", ["-c", script, "guard", folder], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  shell.unref();
  return { [Symbol.dispose]: () => shell.stdin.end("leave\n") };
}

/** What still starts when another part fails has to be waited for, or nobody stops it. */
async function allOrNone(starts: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(starts)).find((start) => start.status === "rejected");
  if (failed) throw failed.reason;
}

const signal = AbortSignal.timeout(120_000);
const log = pino({ level: "silent" });
const path = process.env.PATH ?? "";
const toolsFolder = resolve(".tools/bin");

async function startBuilding(
  parts: AsyncDisposableStack,
  folder: string,
): Promise<{ buildkit: string; registry: string }> {
  const binary = await program("registry", [toolsFolder]);
  const { host } = parts.use(await startRegistry({ binary, folder: join(folder, "registry"), log, signal }));
  await pushBaseImage({ registry: host, busybox: await program("busybox"), signal });
  const buildkit = await findBuildkit({
    folder: join(folder, "buildkit"),
    mirror: host,
    insecureRegistries: [host],
    defaults: [],
    path,
    toolsFolder,
    uid: process.getuid?.() ?? 0,
    userName: process.env.USER ?? "",
    log,
    signal,
  });
  parts.use(buildkit);
  return { buildkit: buildkit.address, registry: host };
}

async function startDatabase(parts: AsyncDisposableStack, folder: string): Promise<string> {
  return parts.use(await startPostgres({ folder: join(folder, "postgres"), log })).url;
}

async function program(name: string, first: readonly string[] = []): Promise<string> {
  const found = await findProgram(name, { path, first });
  if (found === undefined) throw new Error(`${name} is missing: npm run tools`);
  return found;
}
