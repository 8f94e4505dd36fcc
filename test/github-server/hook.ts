import { randomUUID } from "node:crypto";
import type { SignedDelivery } from "./deliveries.ts";

/** The App's webhook: GitHub sends once, and notes how that went. */
export interface Hook {
  /** Where it leads; absent: nobody can be reached there. */
  url: string | undefined;
  /** Delivers an event. @returns the status that GitHub notes, 502 where nobody answered */
  send(
    payload: Record<string, unknown>,
    options?: { event?: string; guid?: string; redelivery?: boolean },
  ): Promise<number>;
  /** Delivers once more what was noted, under its GUID. @returns what GitHub notes of that */
  redeliver(delivery: NotedDelivery): Promise<number>;
  /** Notes a delivery that went as told without sending anything. */
  note(payload: Record<string, unknown>, how: Partial<NotedDelivery>): void;
  /** Oldest first. */
  readonly noted: readonly NotedDelivery[];
}

export interface NotedDelivery {
  readonly id: number;
  readonly guid: string;
  readonly event: string;
  readonly deliveredAt: Date;
  readonly redelivery: boolean;
  readonly statusCode: number;
  readonly status: string;
  readonly payload: Record<string, unknown>;
}

type Sign = (payload: unknown, options: { event: string; guid: string }) => SignedDelivery;

export function createHook(sign: Sign): Hook {
  const noted: NotedDelivery[] = [];
  const note: Hook["note"] = (payload, how) =>
    void noted.push({
      id: 197_363_213_000 + noted.length,
      guid: randomUUID(),
      event: "push",
      deliveredAt: new Date(),
      redelivery: false,
      statusCode: 202,
      status: "OK",
      payload,
      ...how,
    });
  const hook: Hook = {
    url: undefined,
    noted,
    note,
    redeliver: ({ payload, event, guid }) => hook.send(payload, { event, guid, redelivery: true }),
    async send(payload, { event = "push", guid = randomUUID(), redelivery = false } = {}) {
      const deliveredAt = new Date();
      const { headers, body } = sign(payload, { event, guid });
      const request = { method: "POST", headers: { ...headers }, body: new Uint8Array(body) };
      const answer = hook.url === undefined ? undefined : await fetch(hook.url, request).catch(() => undefined);
      await answer?.arrayBuffer();
      const statusCode = answer?.status ?? 502;
      const status = answer ? (answer.ok ? "OK" : `Invalid HTTP Response: ${statusCode}`) : "failed to connect to host";
      note(payload, { event, guid, redelivery, deliveredAt, statusCode, status });
      return statusCode;
    },
  };
  return hook;
}
