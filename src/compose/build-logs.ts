import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Config, Surroundings } from "../config.ts";
import { createLogRows } from "../database/build-logs.ts";
import type { Database } from "../database/database.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { type BuildLogs, createBuildLogs } from "../logs/build-logs.ts";
import { createLogStore } from "../logs/log-store.ts";
import { createSecretRedactor } from "./secret-values.ts";

const packEveryMs = 3000;
const forgetEveryMs = 60 * 60 * 1000;

/** Opens the logs of builds, and keeps packing what has ended and forgetting what is old until it is disposed of. */
export async function openBuildLogs(
  config: Config,
  { database, surroundings, log }: { database: Database; surroundings: Surroundings; log: Log },
): Promise<BuildLogs & Disposable> {
  const folder = join(config.dataFolder, "logs");
  if (config.logStore === undefined) await mkdir(folder, { recursive: true, mode: 0o700 });
  const logs = createBuildLogs({
    rows: createLogRows(database),
    store: createLogStore({
      address: config.logStore ?? folder,
      endpoint: config.logStoreEndpoint,
      region: config.logStoreRegion,
    }),
    redactor: createSecretRedactor(config, surroundings),
    onLost: ({ push, function: name }, error) =>
      log.warn({ delivery: push, function: name, reason: messageOf(error) }, "a build's log is written later"),
  });
  const timers = [
    repeat(packEveryMs, () => logs.pack(), log),
    repeat(forgetEveryMs, () => logs.forget({ before: new Date(Date.now() - config.logRetentionMs) }), log),
  ];
  return {
    ...logs,
    [Symbol.dispose]() {
      for (const timer of timers) clearInterval(timer);
    },
  };
}

function repeat(everyMs: number, work: () => Promise<void>, log: Log): NodeJS.Timeout {
  let isWorking = false;
  return setInterval(async () => {
    if (isWorking) return;
    isWorking = true;
    try {
      await work();
    } catch (error) {
      log.warn({ reason: messageOf(error) }, "logs of builds wait to be put away");
    }
    isWorking = false;
  }, everyMs);
}
