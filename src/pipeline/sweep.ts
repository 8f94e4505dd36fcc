import { BuilderError, messageOf } from "../errors.ts";
import type { NotedDelivery } from "../model/noted-delivery.ts";

/*
 * GitHub sends an event once, and notes for three days how that went. What never arrived, or was answered with an error,
 * is taken from these notes: the event itself is in them, so that this works while nobody can reach our webhook.
 */

export interface SweepHands {
  /** Since when deliveries are kept here, and until when GitHub's notes are known, by GitHub's clock. */
  readMark(): Promise<{ readonly beganAt: Date; readonly knownUntil: Date | undefined }>;
  storeMark(knownUntil: Date): Promise<void>;
  /** GitHub's notes, newest first, page by page. */
  pages(options: { signal: AbortSignal }): AsyncIterable<readonly NotedDelivery[]>;
  /** Undefined where GitHub does not have it any more. */
  readPayload(id: string, options: { signal: AbortSignal }): Promise<Buffer | undefined>;
  /** Which of some GUIDs are not stored. */
  unknownOf(guids: readonly string[]): Promise<ReadonlySet<string>>;
  /** Decides and stores, as if the delivery had arrived. */
  ingest(noted: NotedDelivery, body: Buffer): Promise<void>;
  /** Stores that a delivery cannot be read, so that it is not asked for again. */
  refuse(noted: NotedDelivery, reason: string): Promise<void>;
}

/** A note may appear a little after others of its time. */
const overlapMs = 15 * 60 * 1000;
/** So many deliveries may be at fault themselves before GitHub, or the database, is taken to be. */
const maxFaults = 3;
/** Twenty thousand deliveries. */
const maxPages = 200;

/**
 * Looks through what GitHub has noted since the last time, and takes what is missing here, the oldest first.
 * @returns how many deliveries were taken
 * @throws BuilderError where GitHub or the database does not answer: the next sweep begins where this one did, without
 *   what was taken
 */
export async function sweep(hands: SweepHands, { signal }: { signal: AbortSignal }): Promise<number> {
  const { beganAt, knownUntil } = await hands.readMark();
  const noted = await readNotes(hands, { knownUntil, signal });
  const missing = missingOf(noted, beganAt);
  const unknown = await hands.unknownOf(missing.map(({ guid }) => guid));
  const wanted = missing.filter(({ guid }) => unknown.has(guid));
  const faults: unknown[] = [];
  for (const one of wanted) {
    try {
      await take(one, hands, signal);
    } catch (error) {
      signal.throwIfAborted();
      // One that cannot be had now shall not hold up the others; where many cannot, it is not their fault.
      faults.push(error);
      if (faults.length === maxFaults) break;
    }
  }
  if (faults.length > 0) throw faults[0];
  const newest = noted[0]?.deliveredAt;
  if (newest) await hands.storeMark(newest);
  return wanted.length;
}

async function take(one: NotedDelivery, hands: SweepHands, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const body = await hands.readPayload(one.id, { signal });
  if (body === undefined) return hands.refuse(one, "GitHub does not have its payload any more");
  try {
    await hands.ingest(one, body);
  } catch (error) {
    if (!(error instanceof BuilderError) || error.code !== "body_invalid") throw error;
    await hands.refuse(one, messageOf(error));
  }
}

async function readNotes(
  hands: SweepHands,
  { knownUntil, signal }: { knownUntil: Date | undefined; signal: AbortSignal },
): Promise<readonly NotedDelivery[]> {
  const noted: NotedDelivery[] = [];
  const horizonMs = knownUntil ? knownUntil.getTime() - overlapMs : 0;
  let pages = 0;
  for await (const page of hands.pages({ signal })) {
    noted.push(...page);
    pages += 1;
    const oldest = page.at(-1);
    if (!oldest || oldest.deliveredAt.getTime() < horizonMs || pages === maxPages) break;
  }
  return noted;
}

/**
 * The deliveries that may be missing here, the oldest first, each by its last attempt. What arrived somewhere before
 * this installation began was another one's; what arrived since and is not stored went to whoever answered in our place.
 */
function missingOf(noted: readonly NotedDelivery[], beganAt: Date): readonly NotedDelivery[] {
  const last = new Map<string, NotedDelivery>();
  const arrivedBefore = new Set<string>();
  for (const one of noted) {
    if (!last.has(one.guid)) last.set(one.guid, one);
    if (one.arrived && one.deliveredAt < beganAt) arrivedBefore.add(one.guid);
  }
  return [...last.values()].filter(({ guid, isOfUse }) => isOfUse && !arrivedBefore.has(guid)).reverse();
}
