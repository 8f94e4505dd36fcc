import { afterAll, expect, inject, it } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { type EngineOptions, startEngine } from "../../src/jobs/engine.ts";
import { deliver } from "../database/runs.ts";
import { createTestDatabase, eventually, quiet } from "../database/scratch.ts";
import { roomy } from "./teller.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log: quiet }));

type Work = Record<string, unknown>;
const start = (stories: Partial<EngineOptions<Work, Work>["stories"]>) =>
  startEngine<Work, Work>({
    databaseUrl: url,
    executorId: "local",
    limits: roomy,
    log: quiet,
    stories: { push: async () => undefined, function: async () => undefined, ...stories },
    ownerOf: () => "alice",
  });
const longMs = 3_600_000;

it("a stop waits for what is being done and for what follows it, and for no story that sleeps", async () => {
  const asleep = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const engine = await start({
    async push(work, steps) {
      const built = await steps.branch("function", "one", work);
      return [built, await steps.step("after", async () => "and what follows")];
    },
    async function({ force }, steps) {
      if (!force) {
        await steps.step("before", async () => asleep.resolve());
        await steps.sleep(longMs);
        return "awake";
      }
      return steps.step("build", async () => {
        begun.resolve();
        await gate.promise;
        return "built";
      });
    },
  });
  const sleeping = await deliver(database, { branch: "sleeping" });
  const building = await deliver(database, { branch: "building" }, { force: true });
  await Promise.all([asleep.promise, begun.promise]);

  const stopped = engine.stop({ limitMs: longMs });
  gate.resolve();
  await stopped;

  const later = await start({});
  expect(await later.statusOf(building)).toEqual({ state: "ended", outcome: ["built", "and what follows"] });
  expect((await later.statusOf(sleeping))?.state).not.toBe("ended");
  await later.stop({ limitMs: 0 });
});

it("a stop takes no story that arrives after it, however many places are free", async () => {
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const told: unknown[] = [];
  const engine = await start({
    push: (work, steps) =>
      steps.step("tell", async () => {
        told.push((work.push as { branch: string }).branch);
        begun.resolve();
        await gate.promise;
      }),
  });
  await deliver(database, { branch: "before" });
  await begun.promise;
  const stopped = engine.stop({ limitMs: longMs });
  const late = await deliver(database, { branch: "after" });
  gate.resolve();
  await stopped;
  expect(told).toEqual(["before"]);

  const next = await start({ push: async () => "told later" });
  expect(await eventually(async () => (await next.statusOf(late))?.state === "ended")).toBe(true);
  await next.stop({ limitMs: 0 });
});
