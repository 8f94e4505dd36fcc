import { startWorker } from "../compose/worker.ts";
import { readSurroundings } from "../config.ts";
import { createLog } from "../log.ts";
import { untilDrained } from "./drain.ts";
import { readServerConfig } from "./server-config.ts";
import { exitCodes, type World } from "./world.ts";

/** `of-builder worker`: runs until a signal. */
export async function worker(options: { config?: string }, world: World): Promise<number> {
  const config = await readServerConfig(options.config, world.env);
  const log = createLog(config.logLevel);
  const working = await startWorker(config, { surroundings: readSurroundings(world.env), log });
  log.info({ address: working.address }, "of-builder's worker is ready");
  await untilDrained(config, { log, stop: working.stop });
  return exitCodes.success;
}
