import type { Pool } from "pg";
import { afterAll, expect, inject, it } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { startEngine } from "../../src/jobs/engine.ts";
import { openEnginePool } from "../../src/jobs/engine-pool.ts";
import { takeOverDead } from "../../src/jobs/takeover.ts";
import type { Steps } from "../../src/pipeline/steps.ts";
import { deliver } from "../database/runs.ts";
import { ask, createTestDatabase, eventually, quiet } from "../database/scratch.ts";
import { roomy } from "./teller.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log: quiet }));

/** Leaves a story half told, by an executor that is gone. */
async function leaveStory(): Promise<string> {
  const asleep = Promise.withResolvers<void>();
  const engine = await startEngine({
    databaseUrl: url,
    executorId: "gone",
    limits: roomy,
    log: quiet,
    stories: {
      async push(_work: object, { step, sleep }: Steps) {
        await step("begin", async () => asleep.resolve());
        await sleep(3_600_000);
      },
      function: async () => undefined,
    },
    ownerOf: () => "alice",
  });
  const id = await deliver(database);
  await asleep.promise;
  await engine.stop({ limitMs: 0 });
  return id;
}

it("who has lost the lock a moment ago, with the database perhaps, is not taken for dead", async () => {
  const id = await leaveStory();
  const status = async () =>
    (await ask(url, `select status from dbos.workflow_status where workflow_uuid = '${id}'`))[0];
  const pool = openEnginePool({ databaseUrl: url, log: quiet });
  parts.defer(() => pool.end());
  let looks = 0;
  const counted = {
    connect() {
      looks++;
      return pool.connect();
    },
  } as Pick<Pool, "connect"> as Pool;
  const options = { pool: counted, executorId: "heir", log: quiet };
  {
    await using _patient = takeOverDead({ ...options, patienceMs: 3_600_000 });
    await eventually(async () => looks > 2);
    expect(await status()).toEqual({ status: "PENDING" });
  }
  await using _heir = takeOverDead(options);
  await eventually(async () => (await status())?.status === "ENQUEUED");
});
