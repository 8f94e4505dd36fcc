import { randomUUID } from "node:crypto";
import type { Asked } from "../model/command.ts";
import type { InstalledChange } from "../model/installed.ts";
import type { DeliverySource } from "../model/known-delivery.ts";
import type { Database } from "./database.ts";
import { createGathering } from "./gathering.ts";
import { installedParts, installedValues } from "./installed.ts";
import { noticeChannel } from "./notices.ts";
import { findingTable, foundHasFailed, type RunWork, runParts, runValues, type SupersedeRules } from "./start-run.ts";
import { cleaned, storable } from "./text.ts";

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

/** `again`: what it had started failed by our fault, and is started anew. */
export type Novelty = "new" | "again" | "duplicate";

/** Stores deliveries by two values, from `$first` on: their rows, and all their bodies. Of one row for each new one. */
function storedPart(first: number): string {
  return `stored as (
    insert into delivery (guid, event, action, owner, repository, source, answer, accepted, reason, body, run)
    select guid, event, action, owner, repository, source, answer, accepted, reason,
      substring($${first + 1}::bytea from body_at for body_bytes), case when accepted then guid end
    from json_to_recordset($${first}::json) as given(guid text, event text, action text, owner text, repository text,
      source text, answer text, accepted boolean, reason text, body_at integer, body_bytes integer)
    on conflict do nothing
    returning guid, guid as starts
  )`;
}

/** What starts together with a delivery, or not at all. Of a command or a change there is one at a time. */
const statements = {
  run: `with ${storedPart(5)}, ${runParts("stored")}
    select guid, (select count(*) from enqueued) as done from stored`,
  command: `with ${storedPart(2)},
    asked as (insert into command (id, asked) select guid, $1::json from stored returning id)
    select (select count(pg_notify('${noticeChannel}', json_build_object('push', id, 'what', 'command')::text))
      from asked) as done, guid from stored`,
  installed: `with ${storedPart(5)}, ${installedParts("stored")}
    select guid, (select count(*) from installed_repositories) as done from stored`,
  ignored: `with ${storedPart(1)} select guid from stored`,
} as const;

/** What failed by our fault is worth another try; GitHub's button "Redeliver" is how people ask for it. */
const againStatement = `
  with stored as (
    update delivery set attempts = attempts + 1, run = $6
    where guid = $5 and (
      exists (select from push where push.id = delivery.run and push.state = 'error')
      or not exists (select from push where push.id = delivery.run) and ${foundHasFailed})
    returning run as starts
  ),
  ${runParts("stored")}
  select (select count(*) from enqueued) as done from stored`;

const commandAgainStatement = `
  with again as (
    update command set state = 'waiting', reason = '', attempts = 0, next_at = now(), ended_at = null
    where id = $1 and state = 'failed'
    returning id
  )
  update delivery set attempts = delivery.attempts + 1 from again where guid = again.id returning guid`;

/** What was put down without its body, which GitHub did not have any more, is not known. */
const forgetEmptyStatement =
  "delete from delivery where guid = $1 and source = 'sweep' and length(body) = 0 returning guid";

/** While so many statements are under way, what comes is gathered for the next. */
const max = { runs: 2, items: 64, bytes: 1024 * 1024 };

/** Stores a delivery, as {@link createDeliveryStore} says. */
export type StoreDelivery = (delivery: Delivery) => Promise<Novelty>;

/**
 * Creates what stores deliveries. Each is stored with what it starts: when that has returned, it is done whatever
 * happens. Of a burst many are stored by one statement, which takes a fraction of the time.
 *
 * What it returns answers `duplicate` when the GUID is known: the first of the two stays as it is, and nothing is started
 * again. It throws a BuilderError `database_unreachable`: nothing is known to be stored, GitHub may deliver again.
 */
export function createDeliveryStore(database: Pick<Database, "query">, supersede: SupersedeRules): StoreDelivery {
  const run = (deliveries: readonly Delivery[]) => storeAll(database, deliveries, supersede);
  const gather = () => createGathering({ run, keysOf, bytesOf: ({ body }) => body.length, max });
  // What starts something of another kind, which is rare, is stored by itself.
  const gatherings = { run: gather(), ignored: gather() };
  const storeOnce = async (delivery: Delivery) => {
    const { kind } = delivery.decision;
    const isGathered = kind === "ignored" || (kind === "run" && !isFound(delivery));
    return isGathered ? gatherings[kind](delivery) : (await run([delivery]))[0];
  };
  return async (delivery) => {
    const { guid, body } = delivery;
    if ((await storeOnce(delivery)) === "new") return "new";
    if (await startAgain(database, delivery, supersede)) return "again";
    const isTold = body.length > 0 && (await isDone(database, forgetEmptyStatement, [storable(guid)]));
    return isTold && (await storeOnce(delivery)) === "new" ? "new" : "duplicate";
  };
}

function isFound({ decision }: Delivery): boolean {
  return decision.kind === "run" && decision.work.push.found === true;
}

function behindOf(delivery: Delivery): { behind?: string } {
  return isFound(delivery) ? { behind: findingTable } : {};
}

/** A statement does not see what it stores itself: neither of a GUID nor of a branch, whose pushes end one another. */
function keysOf({ guid, decision }: Delivery): readonly string[] {
  if (decision.kind !== "run") return [guid];
  const { owner, repository, ref } = decision.work.push;
  return [guid, JSON.stringify([owner.toLowerCase(), repository.toLowerCase(), ref])];
}

/** @param deliveries of one kind. @returns which are new */
async function storeAll(
  database: Pick<Database, "query">,
  deliveries: readonly Delivery[],
  supersede: SupersedeRules,
): Promise<readonly ("new" | "known")[]> {
  const [first] = deliveries;
  if (first === undefined) return [];
  const { kind } = first.decision;
  // Two processes that store some of the same do not wait for each other crosswise.
  const ordered = deliveries.toSorted((one, other) => (one.guid < other.guid ? -1 : 1));
  const values = [...partValues(ordered, supersede), ...deliveryValues(ordered)];
  const options = { name: `delivery-${kind}`, ...behindOf(first) };
  const rows = await database.query<{ guid: string }>(statements[kind], values, options);
  const stored = new Set(rows.map(({ guid }) => guid));
  return deliveries.map(({ guid }) => (stored.has(storable(guid)) ? "new" : "known"));
}

/** @returns whether there was something that failed by our fault */
async function startAgain(
  database: Pick<Database, "query">,
  delivery: Delivery,
  supersede: SupersedeRules,
): Promise<boolean> {
  const { guid, decision } = delivery;
  if (decision.kind === "command") return isDone(database, commandAgainStatement, [storable(guid)]);
  if (decision.kind !== "run") return false;
  const run = randomUUID();
  const again = { ...decision.work, push: { ...decision.work.push, delivery: run } };
  const values = [...runValues([again], supersede), storable(guid), run];
  return (await database.query(againStatement, values, behindOf(delivery))).length === 1;
}

async function isDone(
  database: Pick<Database, "query">,
  statement: string,
  values: readonly unknown[],
): Promise<boolean> {
  return (await database.query(statement, values)).length === 1;
}

function partValues(deliveries: readonly Delivery[], supersede: SupersedeRules): readonly unknown[] {
  const decisions = deliveries.map(({ decision }) => decision);
  const [first] = decisions;
  if (first?.kind === "command") return [JSON.stringify(first.asked)];
  if (first?.kind === "installed") return installedValues(first.change);
  if (first?.kind === "ignored") return [];
  return runValues(
    decisions.flatMap((decision) => (decision.kind === "run" ? [decision.work] : [])),
    supersede,
  );
}

function deliveryValues(deliveries: readonly Delivery[]): readonly unknown[] {
  let bodyAt = 1;
  const rows = deliveries.map(({ decision, body, guid, event, action, owner, repository, source, answer }) => {
    const row = {
      guid,
      event,
      action,
      owner,
      repository,
      source,
      answer,
      reason: decision.reason,
      accepted: decision.kind === "run" || decision.kind === "command",
      body_at: bodyAt,
      body_bytes: body.length,
    };
    bodyAt += body.length;
    return row;
  });
  return [JSON.stringify(rows, cleaned), Buffer.concat(deliveries.map(({ body }) => body))];
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
