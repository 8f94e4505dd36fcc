import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { startPostgres } from "../../src/database/embedded-postgres.ts";
import { startEngine } from "../../src/jobs/engine.ts";
import { openEnginePool } from "../../src/jobs/engine-pool.ts";
import type { Steps } from "../../src/pipeline/steps.ts";
import { deliver } from "../database/runs.ts";
import { createScratch, eventually, postmasterOf, quiet } from "../database/scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const scratch = parts.use(await createScratch());

it("an outage that a unix socket tells in its own words is one that the engine waits out", async () => {
  const databaseUrl = `postgres://app@localhost/app?host=${encodeURIComponent(join(scratch.path, "nowhere"))}`;
  const pool = openEnginePool({ databaseUrl, log: quiet });
  await expect(pool.query("select 1")).rejects.toMatchObject({ syscall: "connect", code: "ECONNRESET" });
  await pool.end();
});

it("no step fails because the database was killed while it was being remembered", async () => {
  const home = join(scratch.path, "postgres");
  const { url } = parts.use(await startPostgres({ folder: home, log: quiet }));
  const database = parts.use(await openDatabase(url, { log: quiet }));
  let steps = 0;
  let enough = false;
  const engine = await startEngine({
    databaseUrl: url,
    executorId: "local",
    limits: { pushes: 1, pushesOfOwner: 1, functionsOfOwner: 0, functions: 1 },
    ownerOf: () => "alice",
    log: quiet,
    stories: {
      push: (_input: object, { branch }: Steps) =>
        Promise.all(["a", "b", "c", "d"].map((name) => branch("function", name, {}))),
      async function(_input: object, { step }: Steps) {
        while (!enough) await step("count", async () => ++steps);
        return "no step failed";
      },
    },
  });
  await deliver(database, { delivery: "g" });

  for (let kills = 0; kills < 4; kills++) {
    const before = steps;
    await eventually(async () => steps > before + 40);
    process.kill(await postmasterOf(home), "SIGKILL");
  }
  const before = steps;
  await eventually(async () => steps > before + 40);
  enough = true;
  const end = await eventually(async () => {
    const status = await engine.statusOf("g");
    return status?.state !== "running" && status;
  });
  await engine.stop({ limitMs: 10_000 });
  expect(end).toEqual({ state: "ended", outcome: Array(4).fill("no step failed") });
});
