import { readFile } from "node:fs/promises";
import { startService } from "../compose/service.ts";
import { type Given, readConfig, readSurroundings } from "../config.ts";
import { BuilderError, messageOf } from "../errors.ts";
import { createLog } from "../log.ts";
import { parseSettingsFile } from "../model/settings-file.ts";
import { untilTold } from "./signals.ts";
import { exitCodes, type World } from "./world.ts";

/** `of-builder serve`: runs until a signal. */
export async function serve(options: { config?: string }, world: World): Promise<number> {
  const config = readConfig({ ...(await readSettings(options.config)), ...given(world.env) });
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

async function readSettings(file: string | undefined): Promise<Given> {
  if (file === undefined) return {};
  try {
    return parseSettingsFile(await readFile(file, "utf8"), file);
  } catch (cause) {
    throw new BuilderError("setting_invalid", `settings file "${file}": ${messageOf(cause)}`, { cause });
  }
}

function given(env: Given): Given {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
}
