import { randomBytes } from "node:crypto";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config, Surroundings } from "../config.ts";
import { BuilderError } from "../errors.ts";
import type { Log } from "../log.ts";
import { pushBaseImage } from "../parts/base-image.ts";
import { defaultAddresses, type FoundBuildkit, findBuildkit } from "../parts/find-buildkit.ts";
import { findProgram } from "../parts/find-program.ts";
import { startRegistry } from "../parts/registry-server.ts";
import { findEngine, settingsFor } from "./buildkit-pool.ts";
import { toolsFolder } from "./local-build.ts";
import { startService } from "./service.ts";

/** Everything on one machine, and where it answers. */
export interface Dev {
  readonly server: string;
  /** host:port, plain HTTP. */
  readonly registry: string;
  readonly buildkit: Pick<FoundBuildkit, "address" | "from">;
  readonly database: string;
  /** Folder with the webhook's secret. */
  readonly secrets: string;
  stop(options: { limitMs: number }): Promise<void>;
}

interface DevOptions {
  /** Folder of all state, absolute. */
  readonly data: string;
  /** Any free port for the registry, too. */
  readonly anyPort: boolean;
  readonly surroundings: Surroundings;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const registryPort = 5000;

/**
 * Starts what is missing for a whole of-builder on this machine. What the settings give is used as it is.
 * @throws BuilderError `tool_missing` with the commands that install it; nothing that was started stays then
 */
export async function startDev(config: Config, options: DevOptions): Promise<Dev> {
  const { data, log } = options;
  await using stack = new AsyncDisposableStack();
  await mkdir(data, { recursive: true });
  const registry = stack.use(await startOwnRegistry(options));
  const mirrors = await seedBaseImage(registry.host, options);
  const buildkit = stack.use(await provideBuildkit(config, registry.host, options));
  if (buildkit.from !== "started" && mirrors) {
    log.warn(
      { buildkit: buildkit.address },
      `this BuildKit is not ours: FROM busybox comes from docker.io unless it has ${registry.host} as mirror`,
    );
  }
  const secrets = await provideSecrets(config, data);
  const service = await startService(
    {
      ...settingsFor(config, buildkit, options.surroundings.environment),
      dataFolder: data,
      listenHost: "127.0.0.1",
      buildkitUrl: buildkit.address,
      dockerMirror: config.dockerMirror ?? (mirrors ? registry.host : undefined),
      pushRegistry: config.pushRegistry ?? registry.host,
      secretFolder: secrets,
    },
    options,
  );
  const rest = stack.move();
  return {
    server: service.address,
    registry: registry.host,
    buildkit,
    database: service.databaseUrl,
    secrets,
    async stop(limits) {
      await service.stop(limits);
      await rest.disposeAsync();
    },
  };
}

async function startOwnRegistry({ data, anyPort, surroundings, log, signal }: DevOptions) {
  const binary = await findProgram("registry", { path: surroundings.path, first: [toolsFolder] });
  if (binary === undefined)
    throw new BuilderError("tool_missing", "there is no registry to start", { fix: "Run npm run tools." });
  const start = (port: number) => startRegistry({ binary, folder: join(data, "registry"), port, log, signal });
  if (anyPort) return start(0);
  try {
    return await start(registryPort);
  } catch (error) {
    log.info({ port: registryPort }, "the registry's usual port is taken: another one is used");
    return start(0).catch(() => Promise.reject(error));
  }
}

/** @returns whether `FROM busybox` can come from the registry */
async function seedBaseImage(registry: string, { surroundings, log, signal }: DevOptions): Promise<boolean> {
  const busybox = await findProgram("busybox", { path: surroundings.path });
  if (busybox === undefined) {
    log.warn(
      {},
      "FROM busybox needs the public docker.io, as there is no static busybox here (apt-get install -y busybox-static)",
    );
    return false;
  }
  await pushBaseImage({ registry, busybox, signal });
  return true;
}

async function provideBuildkit(
  config: Config,
  mirror: string,
  { data, surroundings, log, signal }: DevOptions,
): Promise<FoundBuildkit> {
  return findBuildkit({
    given: config.buildkitUrl,
    defaults: defaultAddresses(surroundings.runtimeFolder),
    ...surroundings,
    toolsFolder,
    folder: join(data, "buildkit"),
    mirror,
    insecureRegistries: [mirror],
    findEngine: () => findEngine(config, { environment: surroundings.environment, log, signal }),
    log,
    signal,
  });
}

/** A folder of secrets that exists is taken; else one is made with a secret for the webhook. */
async function provideSecrets(config: Config, data: string): Promise<string> {
  if (await exists(config.secretFolder)) return config.secretFolder;
  const folder = join(data, "secrets");
  const file = join(folder, "github-webhook-secret");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (!(await exists(file))) await writeFile(file, randomBytes(24).toString("hex"), { mode: 0o600 });
  return folder;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
