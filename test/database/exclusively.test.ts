import { afterAll, expect, inject, test } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { createTestDatabase, quiet } from "./scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const [one, other] = [
  parts.use(await openDatabase(url, { log: quiet })),
  parts.use(await openDatabase(url, { log: quiet })),
];

test("work of one name is done by one process at a time, and work of another name beside it", async () => {
  const [begun, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const first = one.exclusively("sweep", async () => {
    begun.resolve();
    await ended.promise;
  });
  await begun.promise;
  const never = async () => expect.unreachable("another one is at it");
  expect(await other.exclusively("sweep", never)).toBe(false);
  expect(await one.exclusively("sweep", never)).toBe(false);
  expect(await other.exclusively("poll", async () => {})).toBe(true);
  ended.resolve();
  expect(await first).toBe(true);
  expect(await other.exclusively("sweep", async () => {})).toBe(true);
});

test("work that fails gives its name back, and says why", async () => {
  const failing = one.exclusively("sweep", () => Promise.reject(new Error("GitHub is away")));
  await expect(failing).rejects.toThrow("GitHub is away");
  expect(await other.exclusively("sweep", async () => {})).toBe(true);
});
