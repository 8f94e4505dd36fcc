import { setTimeout as wait } from "node:timers/promises";
import type { Config } from "../config.ts";
import type { Database } from "../database/database.ts";
import { createDeliveryStore, type Novelty, type Decision as StoredDecision } from "../database/deliveries.ts";
import type { DecisionRules } from "../github/event.ts";
import type { Log } from "../log.ts";
import type { Decision, Delivery } from "../model/delivery.ts";
import type { DeliverySource } from "../model/known-delivery.ts";
import { createCustomers } from "./customers.ts";

/** How every event gets in, whichever way it came by. */
export interface Intake {
  readonly rules: DecisionRules;
  /** Makes a delivery durable, and starts what it leads to in the same breath. */
  readonly store: StoreDelivery;
  /** Hears of each command that was stored here. */
  onCommand(listener: () => void): void;
  /**
   * Waits while many deliveries are being stored, for a while at most: GitHub waits ten seconds for an answer, and nobody
   * so for the beginning of a build.
   */
  calm(): Promise<void>;
}

export type StoreDelivery = (
  delivery: Delivery,
  body: Buffer,
  /** The way it came by, and what its sender was told. */
  way?: { readonly source: DeliverySource; readonly answer: string },
) => Promise<Novelty>;

/** So many deliveries at once are a burst. */
const burst = 20;
const lookMs = 50;
const patienceMs = 30_000;
const byWebhook = { source: "webhook", answer: "202" } as const;

/** Creates the way in. */
export function createIntake(config: Config, { database, log }: { database: Database; log: Log }): Intake {
  const { supersedeRunning: running, maxSuperseded: max } = config;
  const storeDelivery = createDeliveryStore(database, { running, max });
  const listeners: (() => void)[] = [];
  let storing = 0;
  return {
    rules: {
      policy: {
        branches: config.branchRules,
        tags: config.buildTags,
        paths: config.buildPaths,
        pullRequests: config.buildPullRequests,
      },
      appId: config.githubAppId,
      customers: createCustomers(config, { log }),
    },
    async store({ decision, ...delivery }, body, way = byWebhook) {
      const stored = { ...delivery, ...way, body, decision: storedDecision(decision) };
      storing += 1;
      try {
        return await storeDelivery(stored);
      } finally {
        storing -= 1;
        if (decision.kind === "command") for (const listener of listeners) listener();
      }
    },
    onCommand: (listener) => void listeners.push(listener),
    async calm() {
      for (let waitedMs = 0; storing > burst && waitedMs < patienceMs; waitedMs += lookMs) await wait(lookMs);
    },
  };
}

function storedDecision(decision: Decision): StoredDecision {
  switch (decision.kind) {
    case "ignored":
    case "installed":
      return decision;
    case "command":
      return { kind: "command", reason: decision.asked.command.kind, asked: decision.asked };
    case "push": {
      const { kind: _, ...work } = decision;
      return { kind: "run", reason: work.skip ?? "", work };
    }
  }
}
