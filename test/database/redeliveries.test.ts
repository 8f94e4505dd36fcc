import { afterAll, expect, inject, test } from "vitest";
import { endCommand } from "../../src/database/asked.ts";
import { openDatabase } from "../../src/database/database.ts";
import { createDeliveryStore, type Delivery } from "../../src/database/deliveries.ts";
import { makeQueueTables } from "../../src/jobs/queue-tables.ts";
import type { Push } from "../../src/model/push.ts";
import { pushOf, supersede } from "./runs.ts";
import { ask, createTestDatabase, quiet as log } from "./scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log }));
await makeQueueTables({ databaseUrl: url, log });

const about = { event: "push", owner: "Alice", repository: "hello", source: "webhook", answer: "202" } as const;
const delivery = (guid: string, more: Partial<Delivery> = {}): Delivery => ({
  guid,
  ...about,
  decision: { kind: "run", reason: "will be built", work: { push: pushOf({ delivery: guid }) } },
  body: Buffer.from("{}"),
  ...more,
});
const store = createDeliveryStore(database, supersede);
const storiesOf = (id: string) => ask(url, "select name from dbos.workflow_status where workflow_uuid = $1", [id]);

test("a delivery of a command that was not done by our fault is tried again, and of one that was refused is not", async () => {
  const place = { owner: "Alice", repository: "hello", repositoryId: "1", installationId: "2" };
  const command = { kind: "cancel", push: "x" } as const;
  for (const state of ["failed", "refused"] as const) {
    const asked = { delivery: `is-${state}`, command, by: "octocat", ...place };
    const asking = delivery(`is-${state}`, { decision: { kind: "command", reason: "cancel", asked } });
    await store(asking);
    await endCommand(database, `is-${state}`, { state, reason: "so" });
    expect(await store(asking)).toBe(state === "failed" ? "again" : "duplicate");
    expect(await store(asking)).toBe("duplicate");
  }
  expect(await ask(url, "select id, state from command where reason = ''")).toEqual([
    { id: "is-failed", state: "waiting" },
  ]);
});

test("a delivery that was put down without its body, which GitHub had lost, is taken when it is delivered after all", async () => {
  const lost = delivery("lost", {
    decision: { kind: "ignored", reason: "lost" },
    source: "sweep",
    body: Buffer.alloc(0),
  });
  await store(lost);
  expect(await store(lost)).toBe("duplicate");
  expect(await store(delivery("lost"))).toBe("new");
  expect(await storiesOf("lost")).toHaveLength(1);
  expect(await store(delivery("lost"))).toBe("duplicate");
});

test("a delivery whose push had been found by its branch's head starts it anew where that failed by our fault", async () => {
  const head = { branch: "found", sha: "7".repeat(40) };
  const run = (guid: string, more: Partial<Push> = {}) =>
    delivery(guid, {
      decision: { kind: "run", reason: "", work: { push: pushOf({ delivery: guid, ...head, ...more }) } },
    });
  await store(run("head", { found: true }));
  expect(await store(run("event"))).toBe("new");
  expect(await storiesOf("event")).toEqual([]);
  expect(await store(run("event"))).toBe("duplicate");
  await ask(url, "update push set state = 'error', ended_at = now() where id = 'head'");
  expect(await store(run("event"))).toBe("again");
  const [again] = await ask(url, "select run from delivery where guid = 'event'");
  expect(await storiesOf(String(again?.run))).toHaveLength(1);
  expect(await store(run("event"))).toBe("duplicate");
});
