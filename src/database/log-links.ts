import type { LogLink } from "../model/log-link.ts";
import type { Database } from "./database.ts";
import { storable } from "./text.ts";

/** Whether a link is one to the log of a function that a run has. @throws BuilderError `database_unreachable` */
export async function isLogLink(database: Database, { push, function: name, key }: LogLink): Promise<boolean> {
  const rows = await database.query(
    `select from push join push_function on push_id = id
    where id = $1 and function = $2 and log_key::text = $3`,
    [push, name, key].map(storable),
  );
  return rows.length === 1;
}
