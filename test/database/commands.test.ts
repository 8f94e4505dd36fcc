import { afterAll, describe, expect, inject, it } from "vitest";
import { createCommands } from "../../src/database/commands.ts";
import { openDatabase } from "../../src/database/database.ts";
import { readRun, storeEnd, storeFunctionEnds, storeFunctions } from "../../src/database/pushes.ts";
import { makeQueueTables } from "../../src/jobs/queue-tables.ts";
import type { Outcome } from "../../src/model/outcome.ts";
import { deliver, supersede } from "./runs.ts";
import { ask, createTestDatabase, quiet } from "./scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log: quiet }));
await makeQueueTables({ databaseUrl: url, log: quiet });
const commands = createCommands(database, { supersede });

const built = (name: string): Outcome => ({ function: name, state: "built", image: name, digest: "d", seconds: 1 });
const failed = (name: string): Outcome => ({
  ...{ function: name, state: "failed", image: name, reason: "exit code 1", fix: "", seconds: 1 },
});
const ended = async (functions: readonly Outcome[]) => {
  const id = await deliver(database, { sha: "d".repeat(40) });
  await storeFunctions(
    database,
    id,
    functions.map((outcome) => ({ name: outcome.function, image: "i" })),
  );
  await storeFunctionEnds(database, id, functions);
  const state = functions.every((outcome) => outcome.state === "built") ? "success" : "failure";
  await storeEnd(database, id, { state, description: state, functions });
  return id;
};

describe("building again", () => {
  it("starts a run of the same commit, with all of it or a part", async () => {
    const id = await ended([built("one"), built("two")]);
    const again = await readRun(database, await commands.rebuild(id, { force: true }));
    expect(again).toMatchObject({ kind: "rebuild", state: "queued", sha: "d".repeat(40), force: true });
    expect(again?.work).toMatchObject({ force: true, push: { delivery: again?.id, kind: "rebuild" } });
    const part = await readRun(database, await commands.rebuild(id, { only: ["two"] }));
    expect(part?.work).toMatchObject({ only: ["two"] });
    const waits = "select status from dbos.workflow_status where workflow_uuid = $1";
    expect(await ask(url, waits, [again?.id])).toEqual([{ status: "ENQUEUED" }]);
  });

  it("asked for twice under one name starts one run", async () => {
    const id = await ended([built("one")]);
    const newId = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
    await Promise.all([commands.rebuild(id, { newId }), commands.rebuild(id, { newId })]).catch(() => {});
    await commands.rebuild(id, { newId });
    expect(await ask(url, "select count(*)::integer as runs from push where id = $1", [newId])).toEqual([{ runs: 1 }]);
  });

  it("of what failed builds that alone, all of a stack that could not be read, and nothing where nothing failed", async () => {
    const rerun = async (id: string) => {
      const newId = await commands.rerunFailed(id);
      return newId && (await readRun(database, newId))?.work.only;
    };
    expect(await rerun(await ended([built("one"), failed("two")]))).toEqual(["two"]);
    expect(await commands.rerunFailed(await ended([built("one")]))).toBeUndefined();
    const unread = await deliver(database);
    await storeEnd(database, unread, { state: "failure", description: "no stack", functions: [] });
    const whole = await commands.rerunFailed(unread);
    expect((await readRun(database, whole ?? ""))?.work.only).toBeUndefined();
  });

  it("of what waits for a person's word waits for it again, unless that was given", async () => {
    const id = await deliver(database, {}, { skip: "a fork's commit" });
    const work = async (approved: boolean) => (await readRun(database, await commands.rebuild(id, { approved })))?.work;
    expect(await work(false)).toMatchObject({ skip: "a fork's commit" });
    expect(await work(true)).not.toHaveProperty("skip");
  });
});

it("an end stays what it was, whatever comes after it", async () => {
  const id = await ended([built("one")]);
  await storeEnd(database, id, { state: "error", description: "later", functions: [] });
  await storeFunctionEnds(database, id, [failed("one")]);
  expect(await readRun(database, id)).toMatchObject({ state: "success", description: "success" });
  expect(await ask(url, "select state from push_function where push_id = $1", [id])).toEqual([{ state: "built" }]);
  expect(await commands.cancel(id, { by: "octocat" })).toBe("ended");
});
