import { startService } from "../compose/service.ts";
import { readSurroundings } from "../config.ts";
import { createLog } from "../log.ts";
import { untilDrained } from "./drain.ts";
import { readServerConfig } from "./server-config.ts";
import { exitCodes, type World } from "./world.ts";

/** `of-builder serve`: runs until a signal. */
export async function serve(options: { config?: string }, world: World): Promise<number> {
  const config = await readServerConfig(options.config, world.env);
  const log = createLog(config.logLevel);
  const service = await startService(config, { surroundings: readSurroundings(world.env), log });
  log.info({ address: service.address }, "of-builder is ready");
  await untilDrained(config, { log, ...service });
  return exitCodes.success;
}
