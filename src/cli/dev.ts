import { rename, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { startDev } from "../compose/dev.ts";
import { readConfig, readSurroundings } from "../config.ts";
import { createPlainLog } from "./plain-log.ts";
import { abortOnSignal, untilTold } from "./signals.ts";
import { exitCodes, type World } from "./world.ts";

/** `of-builder dev`: everything on this machine, until a signal. */
export async function dev(options: { data?: string; port: string; readyFile?: string }, world: World): Promise<number> {
  const config = readConfig({ ...world.env, PORT: options.port });
  const data = resolve(world.folder, options.data ?? ".of-builder");
  const log = createPlainLog((text) => world.errors.write(text));
  const surroundings = readSurroundings(world.env);
  const starting = abortOnSignal();
  const all = await startDev(config, {
    data,
    anyPort: options.port === "0",
    surroundings,
    log,
    signal: starting.signal,
  });
  starting[Symbol.dispose]();

  const { server, registry, database, secrets } = all;
  if (options.readyFile !== undefined) {
    const ready = { server, registry, buildkit: all.buildkit.address, database, data, secrets, pid: process.pid };
    await writeWhole(options.readyFile, `${JSON.stringify(ready, undefined, 2)}\n`);
  }
  world.output.write(`
of-builder is ready

  server    ${server}          POST ${server}/github-event   POST ${server}/build
  registry  ${registry}        images of pushes, and busybox as docker.io's mirror
  buildkit  ${all.buildkit.address}  (${all.buildkit.from})
  database  ${database}
  secrets   ${secrets}

Try, in another terminal:
  curl ${server}/ready
  BUILDKIT_HOST=${all.buildkit.address} npx of-builder build

Ctrl-C stops everything.

`);
  await untilTold(async () => {
    world.output.write("stopping; a second Ctrl-C leaves at once\n");
    await all.stop({ limitMs: config.drainMs });
  });
  return exitCodes.success;
}

/** Who waits for the file never sees half of it. */
async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.part`, text, { mode: 0o600 });
  await rename(`${file}.part`, file);
}
