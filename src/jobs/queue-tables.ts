import { migrateSystemDatabase } from "@dbos-inc/dbos-sdk/internal/system_database";
import { GlobalLogger } from "@dbos-inc/dbos-sdk/internal/telemetry/logs";
import { BuilderError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { engineLog } from "./engine-log.ts";

/**
 * Makes the tables that runs wait in, or brings them up to date. An engine does so by itself when it starts; whoever
 * takes deliveries without one has to.
 * @throws BuilderError `database_unreachable`
 */
export async function makeQueueTables({ databaseUrl, log }: { databaseUrl: string; log: Log }): Promise<void> {
  try {
    await migrateSystemDatabase(databaseUrl, new GlobalLogger(undefined, { logger: engineLog(log) }));
  } catch (cause) {
    const message = `the tables of the queue cannot be made: ${messageOf(cause)}`;
    throw new BuilderError("database_unreachable", message, { cause });
  }
}
