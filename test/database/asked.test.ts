import { randomUUID } from "node:crypto";
import { afterAll, expect, inject, test } from "vitest";
import { endCommand, holdCommand, takeCommand } from "../../src/database/asked.ts";
import { openDatabase } from "../../src/database/database.ts";
import { createDeliveryStore } from "../../src/database/deliveries.ts";
import { supersede } from "./runs.ts";
import { ask, createTestDatabase, quiet as log } from "./scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log }));

test("a command is one process's while that holds it, and another's soon after it died", async () => {
  const guid = randomUUID();
  const place = { owner: "o", repository: "r", repositoryId: "1", installationId: "2" };
  const asked = { delivery: guid, command: { kind: "cancel", push: "p" }, by: "me", ...place } as const;
  const decision = { kind: "command", reason: "cancel", asked } as const;
  const way = { source: "webhook", answer: "202" } as const;
  const store = createDeliveryStore(database, supersede);
  await store({ guid, event: "check_run", ...way, decision, body: Buffer.from("{}") });
  const timeIsOver = () => ask(url, "update command set next_at = now() - interval '1 second'");

  expect(await takeCommand(database)).toEqual({ asked, attempts: 1 });
  expect(await takeCommand(database)).toBeUndefined();
  await timeIsOver();
  await holdCommand(database, guid);
  expect(await takeCommand(database)).toBeUndefined();
  await timeIsOver();
  expect(await takeCommand(database)).toEqual({ asked, attempts: 2 });
  await endCommand(database, guid, { state: "done", reason: "" });
  await holdCommand(database, guid);
  await timeIsOver();
  expect(await takeCommand(database)).toBeUndefined();
});
