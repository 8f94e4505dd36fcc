import { type BuildkitPool, createBuildkitPool } from "../buildkit/pool.ts";
import type { Config } from "../config.ts";
import type { Log } from "../log.ts";

/** Where a Docker engine of this machine listens, whose BuildKit serves where there is no other. */
const engineAddress = "docker:///var/run/docker.sock";
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
  const { buildkitTlsCa: ca, buildkitTlsCert: cert, buildkitTlsKey: key, buildkitTlsServerName: serverName } = config;
  const hasTls = [ca, cert, key, serverName].some((value) => value !== undefined);
  return createBuildkitPool({
    addresses: addresses.split(",").map((address) => address.trim()),
    ...(hasTls && { tls: { ca, cert, key, serverName } }),
    force: config.buildkitForce,
    slots,
    log,
  });
}

/** The address of this machine's Docker engine, where one runs whose BuildKit is new enough. */
export async function findEngine(
  config: Config,
  { log, signal }: { log: Log; signal: AbortSignal },
): Promise<string | undefined> {
  const pool = createPool(config, { addresses: engineAddress, log });
  try {
    await pool.check({ signal: AbortSignal.any([signal, AbortSignal.timeout(engineLimitMs)]) });
    return engineAddress;
  } catch (error) {
    signal.throwIfAborted();
    log.debug({ docker: engineAddress, err: error }, "no Docker engine that can build");
    return undefined;
  } finally {
    pool.close();
  }
}
