import { randomUUID } from "node:crypto";
import type { Asked } from "../model/command.ts";
import type { InstalledChange } from "../model/installed.ts";
import type { DeliverySource } from "../model/known-delivery.ts";
import type { Database } from "./database.ts";
import { installedParts, installedValues } from "./installed.ts";
import { noticeChannel } from "./notices.ts";
import { type RunWork, runParts, runValues, type SupersedeRules } from "./start-run.ts";
import { storable } from "./text.ts";

/** An event, verified and decided upon. */
export interface Delivery {
  /** `X-GitHub-Delivery`. */
  readonly guid: string;
  /** `X-GitHub-Event`. */
  readonly event: string;
  readonly action?: string | undefined;
  readonly owner?: string | undefined;
  readonly repository?: string | undefined;
  readonly source: DeliverySource;
  /** What its sender was told. */
  readonly answer: string;
  readonly decision: Decision;
  /** The body's bytes as they were signed. */
  readonly body: Uint8Array;
}

export type Decision =
  | { readonly kind: "run"; readonly reason: string; readonly work: RunWork }
  | { readonly kind: "command"; readonly reason: string; readonly asked: Asked }
  | { readonly kind: "installed"; readonly reason: string; readonly change: InstalledChange }
  | { readonly kind: "ignored"; readonly reason: string };

/** `again`: its run had failed by our fault, and is started anew. */
export type Novelty = "new" | "again" | "duplicate";

/** Stores the delivery by the values from `$first` on; of one row where it is new. */
function storedPart(first: number): string {
  const values = Array.from({ length: 10 }, (_, index) => `$${first + index}`).join(", ");
  return `stored as (
    insert into delivery (guid, event, action, owner, repository, source, answer, accepted, reason, body, run)
    values (${values}, case when $${first + 7} then $${first} end)
    on conflict do nothing
    returning guid
  )`;
}

/** What starts together with the delivery, or not at all. */
const statements = {
  run: `with ${storedPart(5)}, ${runParts("stored")}
    select (select count(*) from enqueued) as done from stored`,
  command: `with ${storedPart(2)},
    asked as (insert into command (id, asked) select guid, $1::json from stored returning id)
    select (select count(pg_notify('${noticeChannel}', json_build_object('push', id, 'what', 'command')::text))
      from asked) as done from stored`,
  installed: `with ${storedPart(5)}, ${installedParts("stored")}
    select (select count(*) from installed_repositories) as done from stored`,
  ignored: `with ${storedPart(1)} select 0 as done from stored`,
} as const;

/** A run that failed by our fault is worth another try; GitHub's button "Redeliver" is how people ask for it. */
const againStatement = `
  with stored as (
    update delivery set attempts = attempts + 1, run = $6
    where guid = $5 and exists (select from push where push.id = delivery.run and push.state = 'error')
    returning guid
  ),
  ${runParts("stored")}
  select (select count(*) from enqueued) as done from stored`;

/**
 * Stores a delivery, and with it what it starts. When this has returned, that is done whatever happens.
 * @returns `duplicate` when the GUID is known: the first of the two stays as it is, and nothing is started again
 * @throws BuilderError `database_unreachable`: nothing is known to be stored, GitHub may deliver again
 */
export async function storeDelivery(
  database: Database,
  delivery: Delivery,
  supersede: SupersedeRules,
): Promise<Novelty> {
  const { decision } = delivery;
  const values = [...partValues(decision, supersede), ...deliveryValues(delivery)];
  const rows = await database.query(statements[decision.kind], values, { name: `delivery-${decision.kind}` });
  if (rows.length === 1) return "new";
  return decision.kind === "run" ? startAgain(database, { delivery, work: decision.work, supersede }) : "duplicate";
}

async function startAgain(
  database: Database,
  { delivery, work, supersede }: { delivery: Delivery; work: RunWork; supersede: SupersedeRules },
): Promise<Novelty> {
  const run = randomUUID();
  const again = { ...work, push: { ...work.push, delivery: run } };
  const values = [...runValues(again, supersede), storable(delivery.guid), run];
  const rows = await database.query(againStatement, values);
  return rows.length === 1 ? "again" : "duplicate";
}

function partValues(decision: Decision, supersede: SupersedeRules): readonly unknown[] {
  switch (decision.kind) {
    case "run":
      return runValues(decision.work, supersede);
    case "command":
      return [JSON.stringify(decision.asked)];
    case "installed":
      return installedValues(decision.change);
    case "ignored":
      return [];
  }
}

function deliveryValues({ decision, body, ...delivery }: Delivery): readonly unknown[] {
  const { guid, event, action, owner, repository, source, answer } = delivery;
  const texts = [guid, event, action, owner, repository, source, answer].map((text) => text && storable(text));
  const accepted = decision.kind === "run" || decision.kind === "command";
  return [...texts, accepted, storable(decision.reason), Buffer.from(body)];
}

/**
 * Forgets deliveries of before a moment. It must lie further back than GitHub delivers again (three days), or an old
 * delivery would be built as a new one.
 * @returns how many
 */
export async function deleteDeliveries(database: Database, { before }: { before: Date }): Promise<number> {
  const rows = await database.query("delete from delivery where received_at < $1 returning guid", [before]);
  await database.query("delete from command where ended_at < $1", [before]);
  return rows.length;
}
