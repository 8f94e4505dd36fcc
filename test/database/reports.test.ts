import { randomUUID } from "node:crypto";
import { afterAll, expect, inject, test } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { createDeliveryStore } from "../../src/database/deliveries.ts";
import type { TakenTurn } from "../../src/database/report-lanes.ts";
import { deleteReports, storeNotes } from "../../src/database/reports.ts";
import { makeQueueTables } from "../../src/jobs/queue-tables.ts";
import type { InstalledChange } from "../../src/model/installed.ts";
import { stackContext } from "../../src/model/report.ts";
import { newPush, reportingOn } from "./reporting.ts";
import { deliver, supersede } from "./runs.ts";
import { ask, createTestDatabase, deadlocksOf, eventually, quiet as log } from "./scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log }));
await makeQueueTables({ databaseUrl: url, log });
const { tell, take, end, drain } = reportingOn(database);

test("the stack's report knows its functions', quiet ones too, and changes with them", async () => {
  const push = newPush();
  await tell(push, {});
  await drain();
  await tell(push, { context: "a", state: "queued" }, true);
  await tell(push, { context: "b", state: "success" }, true);
  const notes = { running: ["[1/2] RUN x"], steps: { known: 2, done: 0, cached: 0 }, log: "a\0b", remarks: [] };
  await storeNotes(database, [{ push: push.delivery, context: "a", notes }]);
  const turn = (await take()) as TakenTurn;
  expect(turn.functions.map(({ report, notes: told }) => [report.context, report.state, told?.running[0]])).toEqual([
    ["a", "queued", "[1/2] RUN x"],
    ["b", "success", undefined],
  ]);
  await end(turn);
  expect(await take()).toBeUndefined();
  // The next step of a function changes nothing of the stack's table, a failure makes it a report of its own.
  await storeNotes(database, [{ push: push.delivery, context: "a", notes }]);
  expect(await take()).toBeUndefined();
  await tell(push, { context: "a", state: "failure" });
  expect(await drain()).toEqual(["a failure", `${stackContext} running`]);
});

test("what a build told goes when GitHub has it, and the same end said again is no news", async () => {
  const push = newPush();
  const notesOf = async (context: string) => {
    const rows = await ask(url, "select notes from report where push_id = $1 and context = $2", [
      push.delivery,
      context,
    ]);
    return rows[0]?.notes;
  };
  const notes = { running: [], steps: { known: 2, done: 2, cached: 0 }, log: "the log", remarks: [] };
  await tell(push, { context: "a", state: "queued" });
  await tell(push, { context: "b", state: "queued" }, true);
  await storeNotes(database, [
    { push: push.delivery, context: "a", notes },
    { push: push.delivery, context: "b", notes },
  ]);
  await tell(push, { context: "a", state: "failure" });
  await tell(push, { context: "b", state: "success" }, true);
  expect(await notesOf("b")).toBeNull();
  const turn = (await take()) as TakenTurn;
  expect(turn.notes).toEqual(notes);
  await end(turn);
  expect(await notesOf("a")).toBeNull();
  await tell(push, { context: "a", state: "failure" });
  expect(await take()).toBeUndefined();
});

test("ends and steps of a push's functions, stored at once, wait for each other and never in a circle", async () => {
  const push = newPush();
  const contexts = Array.from({ length: 8 }, (_, index) => `f${index}`);
  await tell(push, {});
  for (const context of contexts) await tell(push, { context, state: "running" });
  const notes = { running: [], steps: { known: 2, done: 1, cached: 0 }, log: "", remarks: [] };
  const toldOf = (context: string) => ({ push: push.delivery, context, notes });
  {
    await using storing = await openDatabase(`${url}${url.includes("?") ? "&" : "?"}application_name=storing`, { log });
    const { tell: tellThere } = reportingOn(storing);
    for (let round = 0; round < 30; round++) {
      await ask(url, "update report set notes = null, ended = false where push_id = $1", [push.delivery]);
      await Promise.all([
        storeNotes(storing, contexts.map(toldOf)),
        storeNotes(storing, contexts.toReversed().map(toldOf)),
        ...contexts.map((context) => tellThere(push, { context, state: "failure", description: `round ${round}` })),
      ]);
    }
  }
  // A session tells its count at its end at the latest.
  const sessions = "select from pg_stat_activity where datname = current_database() and application_name = 'storing'";
  await eventually(async () => (await ask(url, sessions)).length === 0);
  expect(await deadlocksOf(url)).toBe(0);
  await tell(push, { state: "failure" });
  await drain();
});

test("a run that builds nothing is not shown beside one that builds the same commit, whichever is told first", async () => {
  const sha = "b".repeat(40);
  const skip = "skipping build for: refs/heads/feature branch";
  const builds = await deliver(database, { sha, ref: "refs/pull/7/head", branch: "pr-7", kind: "pull_request" });
  const skips = await deliver(database, { sha, branch: "feature" }, { skip });
  const waits = await deliver(database, { sha, ref: "refs/pull/8/head" }, { skip: "waiting", approvable: true });
  const alone = await deliver(database, { sha: "c".repeat(40), branch: "feature" }, { skip });
  const place = { ...newPush(), owner: "Alice", repository: "fns" };
  for (const delivery of [skips, alone]) {
    await tell({ ...place, delivery, sha }, { state: "queued" });
    await tell({ ...place, delivery, sha }, { state: "skipped" });
  }
  await tell({ ...place, delivery: waits, sha }, { state: "approval" });
  await tell({ ...place, delivery: builds, sha }, { state: "failure" });
  const shown = await ask(url, "select push_id as id from report where shown and push_id = any($1)", [
    [builds, skips, waits, alone],
  ]);
  expect(new Set(shown.map(({ id }) => id))).toEqual(new Set([builds, waits, alone]));
  await drain();
});

test("what GitHub refused is told again once the App is let in again", async () => {
  const [push, other] = [newPush(), newPush()];
  for (const each of [push, other]) {
    await tell(each, { state: "failure" });
    await end((await take()) as TakenTurn, { kind: "refused", reason: "This installation has been suspended" });
  }
  expect(await take()).toBeUndefined();
  const store = createDeliveryStore(database, supersede);
  const installed = (change: Partial<InstalledChange>) =>
    store({
      guid: randomUUID(),
      event: "installation",
      source: "webhook",
      answer: "202",
      decision: {
        kind: "installed",
        reason: "",
        change: { installationId: push.installationId, repositories: [], removed: [], ...change },
      },
      body: Buffer.from("{}"),
    });
  await installed({ state: "suspended" });
  expect(await take()).toBeUndefined();
  await installed({ state: "active" });
  expect(await drain()).toEqual([`${stackContext} failure`]);

  const repository = { id: other.repositoryId, owner: "o", name: "r", private: false };
  await installed({ installationId: other.installationId, repositories: [repository] });
  expect(await drain()).toEqual([`${stackContext} failure`]);
});

test("annotations that are still to be sent keep a report unsent", async () => {
  const push = newPush();
  await tell(push, { state: "failure" });
  await end((await take()) as TakenTurn, { annotationsSent: 50, isWhole: false });
  const next = (await take()) as TakenTurn;
  expect(next.annotationsSent).toBe(50);
  await end(next, { annotationsSent: 60 });
  expect(await take()).toBeUndefined();
});

test("reports that have not changed for long are forgotten", async () => {
  const push = newPush();
  await tell(push, { state: "success" });
  expect(await deleteReports(database, { before: new Date(Date.now() - 60_000) })).toBe(0);
  expect(await deleteReports(database, { before: new Date(Date.now() + 60_000) })).toBeGreaterThan(0);
});
