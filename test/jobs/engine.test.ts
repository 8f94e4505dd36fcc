import { randomUUID } from "node:crypto";
import { afterAll, afterEach, describe, expect, inject, it } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { BuilderError } from "../../src/errors.ts";
import { type Engine, type EngineLimits, type EngineOptions, startEngine } from "../../src/jobs/engine.ts";
import { holdExecutorLock } from "../../src/jobs/executor-lock.ts";
import type { Steps } from "../../src/pipeline/steps.ts";
import { deliver } from "../database/runs.ts";
import { createTestDatabase, eventually, quiet } from "../database/scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log: quiet }));

type Work = Record<string, unknown>;
type Stories = EngineOptions<Work, Work>["stories"];

let engine: Engine | undefined;
const roomy: EngineLimits = { pushes: 4, pushesOfOwner: 4, functionsOfOwner: 0, functions: 4 };
const ownerOf = ({ owner = "alice" }: Work) => String(owner);
const start = async (stories: Partial<Stories>, limits: Partial<EngineLimits> = {}) => {
  const none = async () => undefined;
  const all = { push: none, function: none, ...stories };
  engine = await startEngine({
    databaseUrl: url,
    executorId: "local",
    limits: { ...roomy, ...limits },
    log: quiet,
    stories: all,
    ownerOf,
  });
  return engine;
};
afterEach(() => engine?.stop({ limitMs: 0 }));

/** Starts a run with further work. */
const push = (work: Work = {}, owner = "alice") => deliver(database, { owner, branch: randomUUID() }, work);

/** The outcome of a story once it has ended. */
const endOf = (id: string) =>
  eventually(async () => {
    const status = await engine?.statusOf(id);
    return status?.state === "ended" || status?.state === "failed" ? status : undefined;
  });

describe("a story", () => {
  it("is told from the delivery's work, with its steps' answers and its branches' ends", async () => {
    await start({
      async push(work, steps) {
        const plan = await steps.step("plan", async () => ["a", "b", "c"]);
        return {
          greeting: work.greeting,
          built: await Promise.all(plan.map((name) => steps.branch("function", name, { name }))),
        };
      },
      function: (work, steps) => steps.step("build", async () => `${work.name} built`),
    });
    const id = await push({ greeting: "hello" });

    const outcome = { greeting: "hello", built: ["a built", "b built", "c built"] };
    expect(await endOf(id)).toEqual({ state: "ended", outcome });
    expect(await engine?.statusOf(`${id}/b`)).toEqual({ state: "ended", outcome: "b built" });
    expect(await engine?.statusOf("unknown")).toBeUndefined();
  });

  it("gets a BuilderError back as it was thrown, from a step and from a branch", async () => {
    const thrown = new BuilderError("build_failed", "RUN failed", { location: { path: "Dockerfile", line: 7 } });
    const tell = (told: Promise<unknown>) => told.catch((error: BuilderError) => [error.code, error.location?.line]);
    await start({
      push: async (_work, steps) => [
        await tell(steps.step("fail", () => Promise.reject(thrown))),
        await tell(steps.branch("function", "fails", {})),
      ],
      function: (_work, steps) => steps.step("fail", () => Promise.reject(thrown)),
    });
    const id = await push();

    const failure = ["build_failed", 7];
    expect(await endOf(id)).toEqual({ state: "ended", outcome: [failure, failure] });
    expect(await engine?.statusOf(`${id}/fails`)).toEqual({ state: "failed", reason: "RUN failed" });
  });

  it("sleeps, and goes on", async () => {
    await start({
      async push(_work, steps) {
        const before = Date.now();
        await steps.sleep(50);
        return Date.now() - before;
      },
    });
    expect((await endOf(await push())) as object).toMatchObject({ outcome: expect.toSatisfy((ms) => ms >= 49) });
  });
});

describe("ended stories", () => {
  it("are forgotten with those of their functions once they are old enough, and others stay", async () => {
    const gate = Promise.withResolvers<void>();
    await start({
      async push(work, steps) {
        await steps.branch("function", "part", {});
        if (work.stays) await steps.step("wait", () => gate.promise);
      },
    });
    const running = await push({ stays: true });
    const ended = await push();
    await endOf(ended);

    expect(await engine?.forget({ before: new Date(Date.now() - 3600_000) })).toBe(0);
    expect(await engine?.forget({ before: new Date(Date.now() + 3600_000) })).toBeGreaterThan(0);
    expect(await engine?.statusOf(ended)).toBeUndefined();
    expect(await engine?.statusOf(`${ended}/part`)).toBeUndefined();
    gate.resolve();
    expect(await endOf(running)).toMatchObject({ state: "ended" });
  });
});

describe("the queue", () => {
  const limits = { pushes: 6, pushesOfOwner: 2 };

  it("tells no more pushes of one owner at once than allowed, while another owner's go on", async () => {
    // The queue's limits are those of the last start until the engine looks again, a second after this start.
    await start({}, limits);
    await engine?.stop({ limitMs: 0 });
    const running: Record<string, number> = {};
    let most = 0;
    const gate = Promise.withResolvers<void>();
    await start(
      {
        push: (work, steps) =>
          steps.step("work", async () => {
            const owner = String(work.owner);
            running[owner] = (running[owner] ?? 0) + 1;
            most = Math.max(most, running[owner]);
            if (owner === "busy") await gate.promise;
            running[owner]--;
          }),
      },
      limits,
    );
    const busy = [];
    for (let count = 0; count < 6; count++) busy.push(await push({ owner: "busy" }, "Busy"));
    await endOf(await push({ owner: "small" }, "small"));
    await eventually(async () => running.busy === 2);
    gate.resolve();

    await Promise.all(busy.map(endOf));
    expect(most).toBe(2);
  });

  it("does not let pushes that wait for their functions keep these from starting", async () => {
    await start(
      {
        push: (_work, steps) => Promise.all(["a", "b", "c"].map((name) => steps.branch("function", name, {}))),
        function: (_work, steps) => steps.step("build", async () => "built"),
      },
      { pushes: 1 },
    );
    const ids = [await push(), await push()];
    for (const id of ids) expect(await endOf(id)).toMatchObject({ outcome: ["built", "built", "built"] });
  });
});

describe("stopping", () => {
  const blocked = (steps: Steps, begun: () => void, gate: Promise<unknown>) =>
    steps.step("long", ({ signal }) => {
      begun();
      const aborted = new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
      return Promise.race([gate, aborted]);
    });

  it("lets running stories end and takes no new one, which the next start tells", async () => {
    const begun = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<string>();
    await start({ push: (_work, steps) => blocked(steps, begun.resolve, gate.promise) });
    const running = await push();
    await begun.promise;
    const stopped = engine?.stop({ limitMs: 60_000 });
    const waiting = await push();
    gate.resolve("ended in time");
    await stopped;

    await start({ push: async () => "told later" });
    expect(await engine?.statusOf(running)).toEqual({ state: "ended", outcome: "ended in time" });
    expect(await endOf(waiting)).toEqual({ state: "ended", outcome: "told later" });
  });

  it("aborts a step after the limit without counting that as its failure: the next start runs it again", async () => {
    const begun = Promise.withResolvers<void>();
    const reasons: unknown[] = [];
    await start({
      async push(_work, steps) {
        await steps.step("first", async () => reasons.push("first"));
        try {
          return await blocked(steps, begun.resolve, new Promise(() => {}));
        } catch (error) {
          reasons.push(error);
          return "the story saw a failure";
        }
      },
    });
    const id = await push();
    await begun.promise;
    await engine?.stop({ limitMs: 0 });

    await start({
      async push(_work, steps) {
        await steps.step("first", async () => reasons.push("first"));
        return steps.step("long", async () => "run again");
      },
    });
    expect(await endOf(id)).toEqual({ state: "ended", outcome: "run again" });
    expect(reasons).toEqual(["first"]);
  });

  it("does not wait for a sleeping story longer than the limit, and the next start wakes it", async () => {
    const asleep = Promise.withResolvers<void>();
    await start({
      async push(_work, steps) {
        await steps.step("before", async () => asleep.resolve());
        await steps.sleep(3_000);
        return "awake";
      },
    });
    const id = await push();
    await asleep.promise;
    await engine?.stop({ limitMs: 0 });

    await start({
      async push(_work, steps) {
        await steps.step("before", async () => expect.unreachable());
        await steps.sleep(3_000);
        return "awake";
      },
    });
    expect(await endOf(id)).toEqual({ state: "ended", outcome: "awake" });
  });
});

describe("the engine", () => {
  it("is one in a process", async () => {
    await start({});
    await expect(start({})).rejects.toThrow("an engine is already running in this process");
  });

  it("is refused while another process lives under its name", async () => {
    const options = { databaseUrl: url, executorId: "taken", log: quiet };
    await using _held = await holdExecutorLock(options);
    await expect(holdExecutorLock({ ...options, takeLimitMs: 0 })).rejects.toMatchObject({
      code: "setting_invalid",
      message: expect.stringContaining('"taken"'),
    });
  });

  it("waits for a name only as long as it is told to", async () => {
    const options = { databaseUrl: url, executorId: "wanted", log: quiet };
    await using _held = await holdExecutorLock(options);
    const signal = AbortSignal.abort(new Error("never mind"));
    await expect(holdExecutorLock({ ...options, signal })).rejects.toMatchObject({ cause: signal.reason });
  });

  it("takes a URL that names its user elsewhere", async () => {
    const form = new URL(url);
    const databaseUrl = `postgres://${form.pathname}?host=${form.searchParams.get("host")}&user=${form.username}`;
    const stories = { push: async () => undefined, function: async () => undefined };
    engine = await startEngine({ databaseUrl, executorId: "local", limits: roomy, log: quiet, stories, ownerOf });
    expect(await engine.statusOf("unknown")).toBeUndefined();
  });

  it("says that the database does not answer, and can be started once it does", async () => {
    const stories = { push: async () => undefined, function: async () => undefined };
    const options = { executorId: "local", limits: roomy, log: quiet, stories, ownerOf };
    const refused = startEngine({ ...options, databaseUrl: "postgres://app@127.0.0.1:1/app" });
    await expect(refused).rejects.toMatchObject({ code: "database_unreachable" });
    await start({ push: async () => "told" });
    expect(await endOf(await push())).toMatchObject({ outcome: "told" });
  });
});
