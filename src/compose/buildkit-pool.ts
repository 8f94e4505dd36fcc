import { type BuildkitPool, createBuildkitPool } from "../buildkit/pool.ts";
import type { TlsFiles } from "../buildkit/tls-files.ts";
import type { Config, Given } from "../config.ts";
import type { Log } from "../log.ts";
import type { FoundBuildkit } from "../parts/find-buildkit.ts";
import { dockerHost } from "./docker-host.ts";

const engineLimitMs = 5000;

/**
 * Creates the client of the daemons at some addresses.
 * @param options.addresses as the setting `buildkit_url` has them, separated by commas
 * @param options.slots builds at a time on each; the setting where absent
 */
export function createPool(
  config: Config,
  { addresses, slots = config.buildkitSlots, log }: { addresses: string; slots?: number; log: Log },
): BuildkitPool {
  return createBuildkitPool({
    addresses: addresses.split(",").map((address) => address.trim()),
    tls: tlsFiles(config),
    force: config.buildkitForce,
    slots,
    log,
  });
}

/** The files for TLS as the settings have them; undefined where none of them is set. */
export function tlsFiles(config: Config): TlsFiles | undefined {
  const { buildkitTlsCa: ca, buildkitTlsCert: cert, buildkitTlsKey: key, buildkitTlsServerName: serverName } = config;
  const files = { ca, cert, key, serverName };
  return Object.values(files).some((value) => value !== undefined) ? files : undefined;
}

/** The settings to reach a BuildKit that was found: to a person's Docker engine Docker's own tools know the way. */
export function settingsFor(config: Config, { from }: Pick<FoundBuildkit, "from">, environment: Given): Config {
  if (from !== "engine") return config;
  const { ca, cert, key } = dockerHost(environment).tls ?? {};
  return {
    ...config,
    buildkitTlsCa: ca,
    buildkitTlsCert: cert,
    buildkitTlsKey: key,
    buildkitTlsServerName: undefined,
  };
}

/** The address of the person's Docker engine, whose BuildKit serves where there is no other and it is new enough. */
export async function findEngine(
  config: Config,
  { environment, log, signal }: { environment: Given; log: Log; signal: AbortSignal },
): Promise<string | undefined> {
  await using parts = new AsyncDisposableStack();
  try {
    const { address } = dockerHost(environment);
    const settings = settingsFor(config, { from: "engine" }, environment);
    const pool = parts.adopt(createPool(settings, { addresses: address, log }), (opened) => opened.close());
    await pool.check({ signal: AbortSignal.any([signal, AbortSignal.timeout(engineLimitMs)]) });
    return address;
  } catch (error) {
    signal.throwIfAborted();
    log.debug({ err: error }, "no Docker engine that can build");
    return undefined;
  }
}
