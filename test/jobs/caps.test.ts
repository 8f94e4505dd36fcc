import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, expect, inject, it } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { makeQueueTables } from "../../src/jobs/queue-tables.ts";
import { deliver } from "../database/runs.ts";
import { ask, createTestDatabase, eventually, quiet } from "../database/scratch.ts";

const functions = 5;
const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());

it("no owner has more functions built at once than allowed, by all processes together, and small ones are not kept waiting", async () => {
  const { url } = parts.use(await createTestDatabase(inject("database")));
  const database = parts.use(await openDatabase(url, { log: quiet }));
  await makeQueueTables({ databaseUrl: url, log: quiet });
  await ask(url, "create table doing (id text primary key, owner text)");
  await ask(url, 'create table begun (id text, owner text, executor text, count integer, "order" serial)');
  await ask(url, countingFunction);
  const push = (owner: string, index: number) => deliver(database, { owner, branch: `b${index}` });
  for (let index = 0; index < 6; index++) await push("big", index);
  for (const owner of ["small-1", "small-2", "small-3"]) await push(owner, 0);
  await Promise.all(["a", "b", "c"].map((name) => startTeller(url, name)));

  await eventually(
    async () => (await ask(url, "select count(*)::integer as all from begun"))[0]?.all === 9 * functions,
  );
  expect(await ask(url, "select owner, count from begun where count > 2")).toEqual([]);
  expect(await ask(url, "select max(count) as most from begun where owner = 'big'")).toEqual([{ most: 2 }]);
  const executors = await ask(url, "select distinct executor from begun");
  expect(executors.length).toBeGreaterThan(1);
  // Whoever came last with little is through before the one that came first with much.
  const [last] = await ask(url, 'select owner from begun order by "order" desc limit 1');
  expect(last).toEqual({ owner: "big" });
  const ids = await ask(url, "select id from begun group by id having count(*) > 1");
  expect(ids).toEqual([]);
});

/** One at a time counts: two that begin at the same moment would not see each other. */
const countingFunction = `
  create function begin_doing(work text, whose text, teller text) returns void as $$
  begin
    perform pg_advisory_xact_lock(1);
    insert into doing values (work, whose);
    insert into begun select work, whose, teller, count(*) from doing where owner = whose;
  end
  $$ language plpgsql`;

async function startTeller(databaseUrl: string, name: string) {
  const script = join(import.meta.dirname, "cap-teller.ts");
  const child = spawn(process.execPath, [script, databaseUrl, name, "2", String(functions)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  parts.defer(async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  await once(child.stdout, "data");
}
