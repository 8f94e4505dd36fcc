import { type BuildkitPool, createBuildkitPool } from "../buildkit/pool.ts";
import type { Config } from "../config.ts";
import type { Log } from "../log.ts";
import { engineSocket } from "./docker-host.ts";

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

/** The address of this machine's Docker engine, whose BuildKit serves where there is no other and it is new enough. */
export async function findEngine(
  config: Config,
  { log, signal }: { log: Log; signal: AbortSignal },
): Promise<string | undefined> {
  const pool = createPool(config, { addresses: engineSocket, log });
  try {
    await pool.check({ signal: AbortSignal.any([signal, AbortSignal.timeout(engineLimitMs)]) });
    return engineSocket;
  } catch (error) {
    signal.throwIfAborted();
    log.debug({ docker: engineSocket, err: error }, "no Docker engine that can build");
    return undefined;
  } finally {
    pool.close();
  }
}
