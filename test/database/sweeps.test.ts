import { afterAll, expect, inject, test } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { isLookDue, readMark, storeLook, storeMark } from "../../src/database/sweeps.ts";
import { ask, createTestDatabase, quiet as log } from "./scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log }));

test("one look of any process is enough for half of the interval", async () => {
  const isDue = (name: string) => isLookDue(database, name, { intervalMs: 120_000 });
  expect(await isDue("sweep")).toBe(true);
  await storeLook(database, "sweep");
  await storeLook(database, "sweep");
  expect([await isDue("sweep"), await isDue("poll")]).toEqual([false, true]);
  await ask(url, "update sweep set swept_at = now() - interval '61 seconds'");
  expect(await isDue("sweep")).toBe(true);
});

test("what is known of GitHub's notes is never forgotten again", async () => {
  const { beganAt, knownUntil } = await readMark(database);
  expect(knownUntil).toBeUndefined();
  const noon = new Date("2026-11-23T12:00:00Z");
  await storeMark(database, noon);
  await storeMark(database, new Date("2026-11-23T11:00:00Z"));
  expect(await readMark(database)).toEqual({ beganAt, knownUntil: noon });
});
