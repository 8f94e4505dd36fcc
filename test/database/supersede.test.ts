import { randomUUID } from "node:crypto";
import { Client } from "pg";
import { afterAll, describe, expect, inject, it } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { listenToNotices, type Notice } from "../../src/database/notices.ts";
import { readRun, storeEnd } from "../../src/database/pushes.ts";
import { beginRun } from "../../src/database/standing.ts";
import type { SupersedeRules } from "../../src/database/start-run.ts";
import { makeQueueTables } from "../../src/jobs/queue-tables.ts";
import type { Push } from "../../src/model/push.ts";
import { deliver, supersede } from "./runs.ts";
import { ask, createTestDatabase, eventually, quiet } from "./scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log: quiet }));
await makeQueueTables({ databaseUrl: url, log: quiet });

/** A branch that nobody else pushes to; `push(n)` is its push at second n of commit n, answered with its id. */
function aBranch() {
  const branch = randomUUID();
  return (second: number, { rules = supersede, skip, ...more }: Partial<Push> & PushRules = {}) => {
    const sha = String(second).padStart(40, "0");
    const work = { rules, ...(skip !== undefined && { skip }) };
    return deliver(database, { branch, sha, pushedAt: 1_700_000_000 + second, ...more }, work);
  };
}

interface PushRules {
  readonly rules?: SupersedeRules;
  readonly skip?: string;
}

const states = async (...ids: string[]) => {
  const runs = await Promise.all(ids.map((id) => readRun(database, id)));
  return runs.map((run) => `${run?.state}${run?.cancelledAt && run.state === "running" ? ", to end" : ""}`);
};
/** Keeps whoever stores a delivery waiting, with its snapshot taken. */
async function holdDelivery(databaseUrl: string) {
  const guid = randomUUID();
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query("begin");
  const columns = "guid, event, accepted, reason, body";
  await client.query(`insert into delivery (${columns}) values ($1, 'push', true, '', '')`, [guid]);
  return { guid, letGo: () => client.query("rollback"), [Symbol.asyncDispose]: () => client.end() };
}

/** How many sessions wait for another. */
async function waitingOf(databaseUrl: string): Promise<number> {
  const waiting = "datname = current_database() and wait_event_type = 'Lock'";
  const [row] = await ask(databaseUrl, `select count(*)::integer as count from pg_stat_activity where ${waiting}`);
  return Number(row?.count);
}

const good = { state: "success", description: "", functions: [] } as const;

describe("a newer push", () => {
  it("ends what waits of its branch, which names it, and takes its place in the queue", async () => {
    const push = aBranch();
    const [older, newer] = [await push(1), await push(2)];

    expect(await states(older, newer)).toEqual(["cancelled", "queued"]);
    expect(await readRun(database, older)).toMatchObject({
      supersededBy: newer,
      description: "superseded by 0000000",
      endedAt: expect.any(Date),
    });
    const places = await ask(url, "select distinct waiting_since from push where id = any($1)", [[older, newer]]);
    expect(places).toHaveLength(1);
    const priorities = "select distinct priority from dbos.workflow_status where workflow_uuid = any($1)";
    expect(await ask(url, priorities, [[older, newer]])).toHaveLength(1);
  });

  it("leaves other branches, repositories, owners and tags alone", async () => {
    const branch = randomUUID();
    const others = [
      await deliver(database, { branch: `${branch}2`, pushedAt: 1 }),
      await deliver(database, { branch, repository: "other", pushedAt: 1 }),
      await deliver(database, { branch, owner: "bob", pushedAt: 1 }),
      await deliver(database, { branch, kind: "tag", ref: `refs/tags/${branch}`, pushedAt: 1 }),
      await deliver(database, { branch, kind: "rebuild", pushedAt: 1 }),
    ];
    await deliver(database, { branch, pushedAt: 2 });
    expect(await states(...others)).toEqual(Array(5).fill("queued"));
  });

  it("that arrives before an older one is not superseded by that", async () => {
    const push = aBranch();
    const [newer, older] = [await push(2), await push(1)];
    expect(await states(newer, older)).toEqual(["queued", "queued"]);
  });

  it("of the same second is known by what it says that the branch was before", async () => {
    const push = aBranch();
    const first = await push(1, { sha: "a".repeat(40) });
    const unrelated = await push(1, { sha: "c".repeat(40), before: "b".repeat(40) });
    expect(await states(first, unrelated)).toEqual(["queued", "queued"]);
    const next = await push(1, { sha: "d".repeat(40), before: "a".repeat(40) });
    expect(await states(first, unrelated, next)).toEqual(["cancelled", "queued", "queued"]);
  });

  it("that is not to be built ends nothing, and is ended by nothing", async () => {
    const push = aBranch();
    const [older, skipped, newer] = [await push(1), await push(2, { skip: "[skip ci]" }), await push(3)];
    expect(await states(older, skipped, newer)).toEqual(["cancelled", "queued", "queued"]);
    expect(await readRun(database, older)).toMatchObject({ supersededBy: newer });
  });

  it("asks what runs to end and says so at once, or leaves it", async () => {
    const heard: (Notice | undefined)[] = [];
    await using notices = listenToNotices({ databaseUrl: url, log: quiet });
    using _hearing = notices.hear((notice) => heard.push(notice));
    await eventually(async () => heard.length > 0);
    const push = aBranch();
    const older = await push(1);
    await beginRun(database, older, async () => []);
    await push(2, { rules: { ...supersede, running: false } });
    expect(await states(older)).toEqual(["running"]);

    await push(3);
    expect(await states(older)).toEqual(["running, to end"]);
    await eventually(async () => heard.some((notice) => notice?.push === older && notice.what === "cancelled"));
  });

  it("lets one end once so many were cancelled one after the other, and counts anew from there", async () => {
    const push = aBranch();
    const rules = { running: true, max: 2 };
    const ids: string[] = [];
    for (let second = 1; second <= 5; second++) {
      const id = await push(second, { rules });
      await beginRun(database, id, async () => []);
      ids.push(id);
    }
    // The third is left alone; what begins beside it is not.
    expect(await states(...ids)).toEqual([
      "running, to end",
      "running, to end",
      "running",
      "running, to end",
      "running",
    ]);

    const [first = "", second = "", third = "", fourth = "", fifth = ""] = ids;
    for (const id of [first, second, fourth]) await storeEnd(database, id, { ...good, state: "cancelled" });
    await storeEnd(database, third, good);
    const sixth = await push(6, { rules });
    expect(await states(third, fifth, sixth)).toEqual(["success", "running, to end", "queued"]);
  });
});

describe("a head that was found by asking", () => {
  it.each([
    ["after its push was told of", {}, { found: true }],
    ["before its push is told of", { found: true }, {}],
  ] as const)("has one run, when it is found %s", async (_, first, second) => {
    const push = aBranch();
    const known = await push(1, first);
    const again = await push(1, second);
    expect(await readRun(database, known)).toMatchObject({ state: "queued" });
    expect(await readRun(database, again)).toBeUndefined();
  });

  it.each([
    ["it while its push is being stored", {}, { found: true }],
    ["its push while it is being stored", { found: true }, {}],
  ] as const)("has one run, when another process stores %s", async (_, first, second) => {
    const push = aBranch();
    await using holding = await holdDelivery(url);
    const known = push(1, { ...first, delivery: holding.guid });
    await eventually(async () => (await waitingOf(url)) === 1);
    let isStored = false;
    const again = push(1, second).finally(() => {
      isStored = true;
    });
    await eventually(async () => isStored || (await waitingOf(url)) === 2);
    await holding.letGo();
    expect(await readRun(database, await known)).toMatchObject({ state: "queued" });
    expect(await readRun(database, await again)).toBeUndefined();
  });

  it("has one run, when an older push came in between, and when it was superseded", async () => {
    const push = aBranch();
    const known = await push(5, { before: "4".repeat(40) });
    await push(4);
    await push(5, { sha: "4".repeat(40) });
    expect(await readRun(database, await push(6, { sha: String(5).padStart(40, "0"), found: true }))).toBeUndefined();
    expect(await readRun(database, known)).toMatchObject({ state: "queued" });

    const other = aBranch();
    const found = await other(1, { pushedAt: 1_700_000_002, found: true });
    await beginRun(database, found, async () => []);
    await other(3);
    await storeEnd(database, found, { ...good, state: "failure" });
    expect(await readRun(database, await other(1))).toBeUndefined();
  });

  it.each([
    ["is found late, after a newer one", { pushedAt: 1_700_000_001 }, { pushedAt: 1_700_000_004, found: true }],
    ["is told of late, after a newer one", { pushedAt: 1_700_000_004, found: true }, { pushedAt: 1_700_000_001 }],
  ] as const)("has one run, when it %s", async (_, first, second) => {
    const push = aBranch();
    const known = await push(1, first);
    await storeEnd(database, known, good);
    await push(5);
    const again = await push(1, second);
    expect(await readRun(database, again)).toBeUndefined();
  });

  it("has another run where the branch has been at another commit since, or the first run ended by our fault", async () => {
    const push = aBranch();
    const first = await push(1);
    await push(2);
    const back = await push(1, { pushedAt: 1_700_000_003, found: true });
    expect(await readRun(database, back)).toMatchObject({ state: "queued" });
    expect(await readRun(database, first)).toMatchObject({ state: "cancelled" });

    const broken = aBranch();
    await storeEnd(database, await broken(1), { ...good, state: "error" });
    expect(await readRun(database, await broken(1, { found: true }))).toMatchObject({ state: "queued" });
  });
});
