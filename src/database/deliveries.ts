import { storyQueue } from "../model/story-queue.ts";
import type { Database } from "./database.ts";

/** What a webhook brought, verified and decided upon. */
export interface Delivery {
  /** `X-GitHub-Delivery`. */
  readonly guid: string;
  /** `X-GitHub-Event`. */
  readonly event: string;
  readonly owner?: string;
  readonly repository?: string;
  readonly decision: Decision;
  /** The body's bytes as they were signed. */
  readonly body: Uint8Array;
}

/** `work` is what the push's story starts from: plain JSON. */
export type Decision =
  | { readonly accepted: true; readonly reason: string; readonly work: object }
  | { readonly accepted: false; readonly reason: string };

/** The delivery and the story that it starts appear together or not at all. */
const storeStatement = `
  with stored as (
    insert into delivery (guid, event, owner, repository, accepted, reason, body)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict do nothing
    returning guid
  )
  select case when $5 then dbos.enqueue_workflow(
    '${storyQueue.story}', '${storyQueue.queue}', array[$8]::json[],
    workflow_id => guid, app_version => '${storyQueue.version}', queue_partition_key => $9,
    application_name => '${storyQueue.application}'
  ) end as story
  from stored`;

/**
 * Stores a delivery, and with an accepted one its story. When this has returned, the push is built whatever happens.
 * @returns `duplicate` when the GUID is known: the first of the two stays as it is, and nothing is started again
 * @throws BuilderError `database_unreachable`: nothing is known to be stored, GitHub may deliver again
 */
export async function storeDelivery(database: Database, delivery: Delivery): Promise<"new" | "duplicate"> {
  const { guid, event, owner, repository, decision, body } = delivery;
  const work = decision.accepted ? JSON.stringify(decision.work) : null;
  // Logins differ by more than their case; an owner's pushes wait in one line.
  const line = (owner ?? "").toLowerCase();
  const texts = [guid, event, owner, repository].map((text) => text && withoutNul(text));
  const values = [...texts, decision.accepted, withoutNul(decision.reason), Buffer.from(body), work, withoutNul(line)];
  const rows = await database.query(storeStatement, values);
  return rows.length === 1 ? "new" : "duplicate";
}

/** Text of PostgreSQL holds every character but this. */
function withoutNul(text: string): string {
  return text.replaceAll("\0", "\u{fffd}");
}

/**
 * Forgets deliveries of before a moment. It must lie further back than GitHub delivers again (three days), or an old
 * delivery would be built as a new one.
 * @returns how many
 */
export async function deleteDeliveries(database: Database, { before }: { before: Date }): Promise<number> {
  const rows = await database.query("delete from delivery where received_at < $1 returning guid", [before]);
  return rows.length;
}
