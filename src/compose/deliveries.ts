import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { openDatabase } from "../database/database.ts";
import { startPostgres } from "../database/embedded-postgres.ts";
import { listDeliveries, readDelivery } from "../database/known-deliveries.ts";
import { BuilderError } from "../errors.ts";
import { readEvent } from "../github/webhook.ts";
import { makeQueueTables } from "../jobs/queue-tables.ts";
import type { Log } from "../log.ts";
import type { Decision } from "../model/delivery.ts";
import type { DeliveryFilter, KnownDelivery } from "../model/known-delivery.ts";
import { createIntake } from "./intake.ts";

/** The deliveries that an installation has stored. */
export interface Deliveries extends AsyncDisposable {
  list(filter: DeliveryFilter): Promise<readonly KnownDelivery[]>;
  /** @throws BuilderError `usage` where there is none of this GUID */
  read(guid: string): Promise<KnownDelivery & { readonly body: Buffer }>;
  /**
   * Takes a delivery as a new one, by the rules of today.
   * @returns its new GUID, and what it leads to
   * @throws BuilderError `usage`, and `body_invalid` where it cannot be read
   */
  replay(guid: string): Promise<{ readonly guid: string; readonly decision: Decision }>;
}

/** Opens an installation's database by its settings: the one that its server uses, whether or not that runs. */
export async function openDeliveries(config: Config, { log }: { log: Log }): Promise<Deliveries> {
  await using stack = new AsyncDisposableStack();
  const databaseUrl =
    config.databaseUrl ?? stack.use(await startPostgres({ folder: join(config.dataFolder, "postgres"), log })).url;
  const database = stack.use(await openDatabase(databaseUrl, { log }));
  const read = async (guid: string) => {
    const known = await readDelivery(database, guid);
    if (known) return known;
    throw new BuilderError("usage", `there is no delivery "${guid}"`, { fix: "of-builder deliveries lists them." });
  };
  const rest = stack.move();
  return {
    list: (filter) => listDeliveries(database, filter),
    read,
    async replay(known) {
      const { event, body } = await read(known);
      await makeQueueTables({ databaseUrl, log });
      const guid = randomUUID();
      const intake = createIntake(config, { database, log });
      const delivery = await readEvent({ guid, event, body }, intake.rules);
      await intake.store(delivery, body, { source: "api", answer: "" });
      return { guid, decision: delivery.decision };
    },
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}
