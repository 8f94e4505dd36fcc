import { afterAll, expect, inject, test } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { readOwnerUsage } from "../../src/database/owner-usage.ts";
import { makeQueueTables } from "../../src/jobs/queue-tables.ts";
import { deliver } from "./runs.ts";
import { ask, createTestDatabase, quiet } from "./scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log: quiet }));
await makeQueueTables({ databaseUrl: url, log: quiet });

/** A run that began so long ago, and what its function took; none: it never came to being built. */
async function ranAgo(ago: string, seconds?: number, owner = "Alice"): Promise<string> {
  const id = await deliver(database, { owner });
  await ask(url, `update push set started_at = now() - interval '${ago}' where id = $1`, [id]);
  if (seconds !== undefined)
    await ask(url, "insert into push_function (push_id, function, seconds) values ($1, 'one', $2)", [id, seconds]);
  return id;
}

test("what an owner had built within the hour and the day is counted, before the run that asks", async () => {
  await ranAgo("25 hours", 6000);
  await ranAgo("2 hours", 600);
  await ranAgo("30 minutes", 60);
  await ranAgo("20 minutes");
  await ranAgo("10 minutes", 60, "bob");
  const run = await ranAgo("0 minutes", 30);
  await ranAgo("0 minutes", 30);

  const usage = await readOwnerUsage(database, { owner: "ALICE", run });
  expect(usage).toMatchObject({ builds: 1, minutes: 11 });
  const inMinutes = ((usage.nextAt?.getTime() ?? 0) - Date.now()) / 60_000;
  expect(Math.round(inMinutes)).toBe(30);
});

test("an owner without any has none", async () => {
  expect(await readOwnerUsage(database, { owner: "nobody", run: "x" })).toEqual({
    builds: 0,
    nextAt: null,
    minutes: 0,
  });
});
