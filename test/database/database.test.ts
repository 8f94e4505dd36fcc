import { afterAll, expect, inject, test } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { ask, createTestDatabase, deadlocksOf, eventually, quiet as log } from "./scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log }));

test("of two statements that wait for each other, the one that PostgreSQL undoes is run anew", async () => {
  await ask(url, "create table pair (id integer primary key, changes integer not null default 0)");
  await ask(url, "insert into pair values (1), (2)");
  const change = `with changed as (update pair set changes = changes + 1 where id = $1 returning id),
      slept as (select pg_sleep(0.3) from changed)
    update pair set changes = changes + 1 from slept where pair.id = $2`;
  await Promise.all([database.query(change, [1, 2]), database.query(change, [2, 1])]);
  await eventually(async () => (await deadlocksOf(url)) === 1);
  expect(await ask(url, "select changes from pair")).toEqual([{ changes: 2 }, { changes: 2 }]);
});
