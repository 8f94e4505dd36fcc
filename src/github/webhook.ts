import { BuilderError } from "../errors.ts";
import type { Delivery } from "../model/delivery.ts";
import { decide } from "./decide.ts";
import type { DecisionRules } from "./event.ts";
import { type AnyEvent, parseAnyEvent, parseJson } from "./payload.ts";
import { checkSignature } from "./signature.ts";

/** A delivery as HTTP brought it: header names in lower case, the body's raw bytes. */
export interface RawDelivery {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
}

export interface DeliveryRules extends DecisionRules {
  /** Secrets of the webhook; each is good. */
  readonly secrets: readonly string[];
}

/** GUID-like: GitHub sends a UUID, other senders of its format send other short words. */
const guidText = /^[0-9A-Za-z][0-9A-Za-z-]{7,63}$/;
const eventText = /^[a-z][a-z0-9_]{0,63}$/;

/**
 * Reads one delivery of GitHub's webhook. Nothing of it is looked at before its signature holds. GitHub's payload ends
 * here: what comes out is what it leads to, or the reason why it is ignored, which is an answer and no error.
 * @throws BuilderError `signature_missing`, `signature_wrong`, `body_invalid`, or `setting_invalid` without a secret
 */
export async function readDelivery({ headers, body }: RawDelivery, rules: DeliveryRules): Promise<Delivery> {
  checkSignature(body, headerOf(headers, "x-hub-signature-256"), rules.secrets);
  const guid = wordOf(headers, "x-github-delivery", guidText);
  const event = wordOf(headers, "x-github-event", eventText);
  return readEvent({ guid, event, body }, rules);
}

/**
 * Reads an event whose sender is known to be GitHub by other means than a signature.
 * @throws BuilderError `body_invalid`
 */
export async function readEvent(
  { guid, event, body }: { guid: string; event: string; body: Uint8Array },
  rules: DecisionRules,
): Promise<Delivery> {
  const payload = parseJson(body);
  const about = parseAnyEvent(payload);
  return {
    guid,
    event,
    action: about.action,
    owner: ownerOf(about),
    repository: about.repository?.name,
    decision: await decide({ guid, event, payload }, rules),
  };
}

function headerOf(headers: RawDelivery["headers"], name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : value?.[0];
}

function wordOf(headers: RawDelivery["headers"], name: string, rule: RegExp): string {
  const value = headerOf(headers, name) ?? "";
  if (rule.test(value)) return value;
  const shown = JSON.stringify(value.slice(0, 100));
  throw new BuilderError("body_invalid", `header ${name} is ${shown}: expected what GitHub sends there`);
}

function ownerOf({ repository, installation }: AnyEvent): string | undefined {
  return repository?.owner.login ?? installation?.account.login;
}
