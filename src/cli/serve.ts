import { setFlagsFromString } from "node:v8";
import { startService } from "../compose/service.ts";
import { readSurroundings } from "../config.ts";
import { createLog } from "../log.ts";
import { readServerConfig } from "./server-config.ts";
import { untilTold } from "./signals.ts";
import { exitCodes, type World } from "./world.ts";

/**
 * V8 lets its space for young objects grow to 128 MB on a large machine; a server that mostly hands bytes on needs none
 * of that.
 */
const smallHeap = ["--semi-space-growth-factor=1", "--optimize-for-size"];

/** `of-builder serve`: runs until a signal. */
export async function serve(options: { config?: string }, world: World): Promise<number> {
  for (const flag of smallHeap) setFlagsFromString(flag);
  const config = await readServerConfig(options.config, world.env);
  const log = createLog(config.logLevel);
  const service = await startService(config, { surroundings: readSurroundings(world.env), log });
  log.info({ address: service.address }, "of-builder is ready");
  await untilTold((signal) => {
    log.info(
      { signal, drainMs: config.drainMs },
      "stopping: no new work is taken, running work may finish; a second signal leaves at once",
    );
    return service.stop({ limitMs: config.drainMs });
  });
  return exitCodes.success;
}
