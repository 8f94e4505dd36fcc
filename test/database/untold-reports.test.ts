import { randomUUID } from "node:crypto";
import { afterAll, expect, inject, test } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { endLostRuns } from "../../src/database/lost-runs.ts";
import { storeEnd } from "../../src/database/pushes.ts";
import { storeReport } from "../../src/database/reports.ts";
import { readUntold } from "../../src/database/untold-reports.ts";
import { makeQueueTables } from "../../src/jobs/queue-tables.ts";
import type { Outcome } from "../../src/model/outcome.ts";
import { type Report, stackContext } from "../../src/model/report.ts";
import { untoldReports } from "../../src/pipeline/reconcile-reports.ts";
import { deliver, pushOf } from "./runs.ts";
import { ask, createTestDatabase, quiet as log } from "./scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log }));
await makeQueueTables({ databaseUrl: url, log });

/** Stores a run of a branch of its own, as if that was an hour ago. */
async function oldRun(): Promise<string> {
  const id = await deliver(database, { branch: randomUUID() });
  await ask(url, "update push set created_at = now() - interval '1 hour', waiting_since = now() - interval '1 hour'");
  return id;
}

/** Ends one, as if that was half an hour ago. */
async function ended(id: string, state: "success" | "failure" | "cancelled", functions: readonly Outcome[] = []) {
  await storeEnd(database, id, { state, description: "the end", functions });
  await ask(url, "update push set ended_at = now() - interval '30 minutes' where id = $1", [id]);
}

const tell = (id: string, report: Partial<Report>) =>
  storeReport(
    database,
    {
      push: { ...pushOf({ delivery: id }), installationId: "2" },
      report: { context: stackContext, state: "running", description: "", ...report },
    },
    { quiet: false },
  );

/** What is untold of some runs. */
async function untold(...ids: string[]) {
  const runs = (await readUntold(database)).filter(({ push }) => ids.includes(push.delivery));
  return runs.flatMap((run) =>
    untoldReports(run).map(({ context, state, place }) => [context, state, place ?? ""].join(" ").trim()),
  );
}

test("a run that waits is shown by its place, and again when that has changed", async () => {
  await ask(url, "delete from push");
  const [first, second] = [await oldRun(), await oldRun()];
  expect(await untold(first, second)).toEqual([`${stackContext} queued 0`, `${stackContext} queued 1`]);
  await tell(first, { state: "queued", place: 0 });
  await tell(second, { state: "queued", place: 1 });
  expect(await untold(first, second)).toEqual([]);
  await ended(first, "success");
  expect(await untold(second)).toEqual([`${stackContext} queued 0`]);
});

test("a run whose story could not tell its end is told by its row, with its functions", async () => {
  const id = await oldRun();
  await tell(id, {});
  await tell(id, { context: "a", state: "queued" });
  await tell(id, { context: "b", state: "queued" });
  await tell(id, { context: "c", state: "success" });
  const built = { function: "a", state: "built", image: "i", digest: "d", seconds: 1 } as const;
  await ended(id, "failure", [built]);
  expect((await untold(id)).toSorted()).toEqual(["a success", "b cancelled", `${stackContext} failure`]);
  await tell(id, { state: "failure" });
  await tell(id, { context: "a", state: "success" });
  await tell(id, { context: "b", state: "cancelled" });
  expect(await untold(id)).toEqual([]);
});

test("a run whose story the engine has given up is ended, and told", async () => {
  const [given, failed, told] = [await oldRun(), await oldRun(), await oldRun()];
  await tell(given, { state: "running" });
  await tell(given, { context: "a", state: "queued" });
  const end = (id: string, status: string) =>
    ask(url, "update dbos.workflow_status set status = $2, updated_at = 0 where workflow_uuid = $1", [id, status]);
  await end(given, "MAX_RECOVERY_ATTEMPTS_EXCEEDED");
  await end(failed, "ERROR");
  await end(told, "SUCCESS");
  await ended(told, "success");
  expect(new Set(await endLostRuns(database))).toEqual(new Set([given, failed]));
  expect(await endLostRuns(database)).toEqual([]);
  await ask(url, "update push set ended_at = now() - interval '30 minutes' where id = $1", [given]);
  expect(await untold(given)).toEqual(["a error", `${stackContext} error`]);
});

test("a story that has just ended is given the time to tell so", async () => {
  const id = await oldRun();
  await storeEnd(database, id, { state: "success", description: "", functions: [] });
  expect(await untold(id)).toEqual([]);
});

test("a run that was superseded names the newer commit", async () => {
  const branch = randomUUID();
  const before = { branch, pushedAt: 1_700_000_000 };
  const older = await deliver(database, before);
  await deliver(database, { branch, pushedAt: 1_700_000_001, sha: "b".repeat(40) });
  await ask(url, "update push set ended_at = now() - interval '1 minute' where id = $1", [older]);
  const run = (await readUntold(database)).find(({ push }) => push.delivery === older);
  expect(run && untoldReports(run)).toMatchObject([{ state: "cancelled", newerSha: "b".repeat(40) }]);
});

test("a run of no installation of ours is nobody's to tell", async () => {
  const id = await deliver(database, { branch: randomUUID(), installationId: undefined });
  await ended(id, "success");
  expect(await untold(id)).toEqual([]);
});
