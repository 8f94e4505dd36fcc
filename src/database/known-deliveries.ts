import type { DeliveryFilter, KnownDelivery } from "../model/known-delivery.ts";
import type { Database } from "./database.ts";
import { storable } from "./text.ts";

const columns = `guid, event, action, delivery.owner, delivery.repository, source, received_at as "receivedAt", answer,
  accepted, delivery.reason, delivery.attempts, run, coalesce(push.state, command.state) as state,
  coalesce(push.description, command.reason) as description`;
const joined = "delivery left join push on push.id = delivery.run left join command on command.id = delivery.guid";

/** Lists deliveries, the newest first. @throws BuilderError `database_unreachable` */
export async function listDeliveries(
  database: Database,
  { limit, owner, event, source }: DeliveryFilter,
): Promise<readonly KnownDelivery[]> {
  return database.query<KnownDelivery>(
    `select ${columns} from ${joined}
    where ($2::text is null or lower(delivery.owner) = lower($2))
      and event = coalesce($3, event) and source = coalesce($4, source)
    order by received_at desc limit $1`,
    [limit, owner ?? null, event ?? null, source ?? null],
  );
}

/** Reads one delivery with its body; undefined where there is none of this GUID. */
export async function readDelivery(
  database: Database,
  guid: string,
): Promise<(KnownDelivery & { readonly body: Buffer }) | undefined> {
  const [row] = await database.query<KnownDelivery & { body: Buffer }>(
    `select ${columns}, body from ${joined} where guid = $1`,
    [storable(guid)],
  );
  return row;
}
