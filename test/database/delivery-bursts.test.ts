import { afterAll, describe, expect, inject, it } from "vitest";
import { type Database, openDatabase } from "../../src/database/database.ts";
import { createDeliveryStore, type Delivery } from "../../src/database/deliveries.ts";
import { BuilderError } from "../../src/errors.ts";
import { makeQueueTables } from "../../src/jobs/queue-tables.ts";
import { pushOf, supersede } from "./runs.ts";
import { ask, createTestDatabase, quiet } from "./scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log: quiet }));
await makeQueueTables({ databaseUrl: url, log: quiet });
const store = createDeliveryStore(database, supersede);

describe("deliveries that come at once", () => {
  it("are each stored with their story, and those of one branch end one another as if they had come one by one", async () => {
    const names = Array.from({ length: 300 }, (_, index) => `burst-${index}`);
    const of = (guid: string, index: number) => {
      const push = pushOf({
        delivery: guid,
        branch: `b${index % 100}`,
        sha: sha(index),
        pushedAt: 1_700_000_000 + index,
      });
      return delivery(guid, { decision: { kind: "run", reason: "", work: { push } }, body: Buffer.from(guid) });
    };
    const answers = await Promise.all(names.map((guid, index) => store(of(guid, index))));

    expect(new Set(answers)).toEqual(new Set(["new"]));
    const rows = await ask(url, "select guid, body, run from delivery where guid like 'burst-%'");
    expect(rows).toHaveLength(300);
    for (const { guid, body, run } of rows) expect([String(body), run]).toEqual([guid, guid]);
    const runs = await ask(url, "select id, work -> 'push' ->> 'delivery' as of from push where id like 'burst-%'");
    expect(runs).toHaveLength(300);
    for (const { id, of: whose } of runs) expect(whose).toBe(id);
    const stories = "select count(*)::integer as count from dbos.workflow_status where workflow_uuid like 'burst-%'";
    expect(await ask(url, stories)).toEqual([{ count: 300 }]);
    const newest = "select count(*)::integer as count from push where state = 'queued' and id like 'burst-%'";
    expect(await ask(url, newest)).toEqual([{ count: 100 }]);
  });

  it("are stored without reading what waits already", async () => {
    await using own = await createTestDatabase(inject("database"));
    await makeQueueTables({ databaseUrl: own.url, log: quiet });
    await using opened = await openDatabase(own.url, { log: quiet });
    const storeOwn = createDeliveryStore(opened, supersede);
    // One after the other: one session of the pool takes them all, and the plan that it keeps is one of empty tables.
    for (let index = 0; index < 100; index += 1) await storeOwn(onBranch(`wait-${index}`));
    const before = await readRows(opened);
    await storeOwn(onBranch("wait-100"));
    expect((await readRows(opened)) - before).toBeLessThan(20);
  });

  it("suffer nothing by one that cannot be stored", async () => {
    const guids = ["good-1", "", "good-2", "good-3", "good-4"];
    const answers = await Promise.allSettled(guids.map((guid) => store(onBranch(guid))));
    expect(answers.map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "fulfilled",
      "fulfilled",
      "fulfilled",
    ]);
    expect(await ask(url, "select guid from delivery where guid = '' or guid like 'good-%' order by guid")).toEqual(
      ["good-1", "good-2", "good-3", "good-4"].map((guid) => ({ guid })),
    );
  });

  it("are all refused by one try while the database is away", async () => {
    let tries = 0;
    const away: Pick<Database, "query"> = {
      async query() {
        tries += 1;
        throw new BuilderError("database_unreachable", "the database does not answer");
      },
    };
    const storeAway = createDeliveryStore(away, supersede);
    const answers = await Promise.allSettled(
      Array.from({ length: 50 }, (_, index) => storeAway(onBranch(`away-${index}`))),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(["rejected"]));
    // The first two are alone with their statements, the others are gathered behind them.
    expect(tries).toBe(3);
  });

  it("are of any kind, and answered each for itself", async () => {
    const ignored = (guid: string) => delivery(guid, { decision: { kind: "ignored", reason: guid } });
    const answers = await Promise.all(
      ["mix-1", "mix-2", "mix-3", "mix-1", "mix-4", "mix-2"].map((guid, index) =>
        store(index % 2 === 0 ? onBranch(guid) : ignored(guid)),
      ),
    );
    expect(answers.toSorted()).toEqual(["duplicate", "duplicate", "new", "new", "new", "new"]);
    expect(await ask(url, "select reason from delivery where guid = 'mix-4'")).toHaveLength(1);
  });
});

/** How many rows of deliveries, runs and stories were read by now, by table or by index. */
async function readRows(opened: Database): Promise<number> {
  await opened.query("select pg_stat_force_next_flush()");
  const [row] = await opened.query<{ read: number }>(`
    select sum(seq_tup_read + (
      select sum(idx_tup_read) from pg_stat_user_indexes indexes where indexes.relid = tables.relid
    ))::integer as read
    from pg_stat_user_tables tables where relname in ('delivery', 'push', 'workflow_status')`);
  return row?.read ?? Number.NaN;
}

/** A delivery of a branch of its own. */
function onBranch(guid: string): Delivery {
  return delivery(guid, {
    decision: { kind: "run", reason: "", work: { push: pushOf({ delivery: guid, branch: guid }) } },
  });
}

function sha(index: number): string {
  return index.toString(16).padStart(40, "0");
}

function delivery(guid: string, more: Partial<Delivery> = {}): Delivery {
  const decision = { kind: "run", reason: "will be built", work: { push: pushOf({ delivery: guid }) } } as const;
  const about = { event: "push", owner: "Alice", repository: "hello", source: "webhook", answer: "202" } as const;
  return { guid, ...about, decision, body: Buffer.from("{}"), ...more };
}
