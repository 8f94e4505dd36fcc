import { randomUUID } from "node:crypto";
import type { Database } from "../../src/database/database.ts";
import { createDeliveryStore } from "../../src/database/deliveries.ts";
import type { RunWork, SupersedeRules } from "../../src/database/start-run.ts";
import type { Push } from "../../src/model/push.ts";

/** A push to alice/fns. */
export function pushOf(more: Partial<Push> = {}): Push {
  const { delivery = randomUUID(), branch = "main", ...rest } = more;
  return {
    delivery,
    kind: "push",
    owner: "Alice",
    repository: "fns",
    repositoryId: "1",
    installationId: "2",
    private: false,
    ref: `refs/heads/${branch}`,
    branch,
    environment: "",
    sha: "1234567890123456789012345678901234567890",
    forced: false,
    pushedAt: 0,
    committedAt: 0,
    cloneUrl: "https://github.com/Alice/fns.git",
    ...rest,
  };
}

export const supersede: SupersedeRules = { running: true, max: 3 };

/** Stores a delivery that starts a run, as a webhook does. @returns the run's id */
export async function deliver(
  database: Database,
  push: Partial<Push> = {},
  { rules = supersede, ...work }: Partial<RunWork> & { rules?: SupersedeRules } = {},
): Promise<string> {
  const accepted = pushOf(push);
  const { delivery: guid, owner, repository } = accepted;
  const decision = { kind: "run", reason: "", work: { push: accepted, ...work } } as const;
  const way = { source: "webhook", answer: "202" } as const;
  const delivery = { guid, event: "push", owner, repository, ...way, decision, body: Buffer.from("{}") };
  await createDeliveryStore(database, rules)(delivery);
  return guid;
}
