import { afterAll, afterEach, expect, inject, it } from "vitest";
import { createCommands } from "../../src/database/commands.ts";
import { openDatabase } from "../../src/database/database.ts";
import { readRun } from "../../src/database/pushes.ts";
import { beginRun } from "../../src/database/standing.ts";
import { BuilderError } from "../../src/errors.ts";
import { type Engine, type EngineLimits, type EngineOptions, startEngine } from "../../src/jobs/engine.ts";
import type { Steps } from "../../src/pipeline/steps.ts";
import { deliver, supersede } from "../database/runs.ts";
import { createTestDatabase, eventually, quiet } from "../database/scratch.ts";
import { cancelsOf, roomy } from "./teller.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log: quiet }));
const cancels = parts.use(cancelsOf(database, url));
const commands = createCommands(database, { supersede });

type Work = Record<string, unknown>;
type Stories = EngineOptions<Work, Work>["stories"];
let engine: Engine | undefined;
const start = async (stories: Partial<Stories>, limits: Partial<EngineLimits> = {}) => {
  const none = async () => undefined;
  engine = await startEngine<Work, Work>({
    databaseUrl: url,
    executorId: "local",
    limits: { ...roomy, ...limits },
    cancels,
    log: quiet,
    stories: { push: none, function: none, ...stories },
    ownerOf: () => "alice",
  });
};
afterEach(() => engine?.stop({ limitMs: 0 }));

const endOf = (id: string) =>
  eventually(async () => {
    const status = await engine?.statusOf(id);
    return (status?.state === "ended" || status?.state === "failed") && status;
  });

/** A step that ends by nothing but its signal. */
const endless = (steps: Steps, begun: () => void) =>
  steps.step("endless", ({ signal }) => {
    begun();
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });

/** How a story ends that was cancelled: with what it was told, and a step that is taken all the same. */
const toldEnd = async (work: Promise<unknown>, steps: Steps) => {
  const reason = await work.then(
    () => "not cancelled",
    (error: unknown) => (error instanceof BuilderError ? `${error.code}: ${error.message}` : String(error)),
  );
  const after = await steps.step("after", async () => "went on").catch(() => "no further step");
  return [reason, after, await steps.lasting.step("told", async () => "told")];
};
const cancelledBy = (by: string) => [`build_cancelled: cancelled by ${by}`, "no further step", "told"];

it("a cancel reaches the step that runs, of the push and of its functions, and only what is lasting goes on", async () => {
  const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  await start({
    push: (_work, steps) =>
      Promise.all([toldEnd(endless(steps, begun[0].resolve), steps), steps.branch("function", "one", {})]),
    function: (_work, steps) => toldEnd(endless(steps, begun[1].resolve), steps),
  });
  const id = await deliver(database, { branch: "running" });
  await Promise.all(begun.map(({ promise }) => promise));
  await beginRun(database, id, async () => []);

  expect(await commands.cancel(id, { by: "octocat" })).toBe("cancelled");
  const end = cancelledBy("octocat");
  expect(await endOf(id)).toEqual({ state: "ended", outcome: [end, end] });
  expect(await commands.cancel(id, { by: "octocat" })).toBe("ended");
});

it("a cancel wakes a story that sleeps until it may try again", async () => {
  const asleep = Promise.withResolvers<void>();
  await start({
    async push(_work, steps) {
      await steps.step("before", async () => asleep.resolve());
      return toldEnd(steps.sleep(3_600_000), steps);
    },
  });
  const id = await deliver(database, { branch: "asleep" });
  await asleep.promise;
  await commands.cancel(id, { by: "octocat" });
  expect(await endOf(id)).toEqual({ state: "ended", outcome: cancelledBy("octocat") });
});

it("a cancel ends a function that waits for its owner's turn", async () => {
  const begun = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const tell: Partial<Stories> = {
    push: (work, steps) => steps.branch("function", "one", work),
    async function(work, steps) {
      if (!work.force)
        return toldEnd(
          steps.step("never begun", async () => {}),
          steps,
        );
      return steps.step("first", async () => {
        begun.resolve();
        await released.promise;
      });
    },
  };
  await start(tell, { functionsOfOwner: 1 });
  const first = await deliver(database, { branch: "first" }, { force: true });
  await begun.promise;
  const waiting = await deliver(database, { branch: "waiting" });
  await eventually(async () => (await engine?.statusOf(`${waiting}/one`))?.state === "waiting");

  await commands.cancel(waiting, { by: "octocat" });
  expect(await endOf(waiting)).toEqual({ state: "ended", outcome: cancelledBy("octocat") });
  released.resolve();
  await endOf(first);
});

it("a cancel ends what waits in a full queue at once, and says so", async () => {
  const begun = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const first = steps1(begun.resolve, released.promise);
  await start(
    {
      push: (work, steps) =>
        work.force
          ? first(steps)
          : toldEnd(
              steps.step("x", async () => {}),
              steps,
            ),
    },
    { pushes: 1 },
  );
  const busy = await deliver(database, { branch: "busy" }, { force: true });
  await begun.promise;
  const waiting = await deliver(database, { branch: "in the queue" });

  await commands.cancel(waiting, { by: "octocat" });
  expect(await readRun(database, waiting)).toMatchObject({ state: "cancelled", description: "cancelled by octocat" });
  expect(await endOf(waiting)).toEqual({ state: "ended", outcome: cancelledBy("octocat") });
  released.resolve();
  await endOf(busy);
});

function steps1(begun: () => void, released: Promise<void>) {
  return (steps: Steps) =>
    steps.step("first", async () => {
      begun();
      await released;
    });
}

it("what was cancelled while nobody was there ends when somebody is", async () => {
  await engine?.stop({ limitMs: 0 });
  const id = await deliver(database, { branch: "nobody" });
  await commands.cancel(id, { by: "octocat" });
  await start({
    push: (_work, steps) =>
      toldEnd(
        steps.step("x", async () => {}),
        steps,
      ),
  });
  expect(await endOf(id)).toEqual({ state: "ended", outcome: cancelledBy("octocat") });
});

it("a run that nobody knows cannot be cancelled or built again", async () => {
  await expect(commands.cancel("unknown", { by: "octocat" })).rejects.toMatchObject({ code: "run_unknown" });
  await expect(commands.rebuild("unknown", {})).rejects.toMatchObject({ code: "run_unknown" });
});
