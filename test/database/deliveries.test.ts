import { randomBytes } from "node:crypto";
import { afterAll, describe, expect, inject, it } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { type Delivery, deleteDeliveries, storeDelivery } from "../../src/database/deliveries.ts";
import { startEngine } from "../../src/jobs/engine.ts";
import { ask, createTestDatabase, quiet } from "./scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log: quiet }));
await makeQueueTables();

const accepted = { accepted: true, reason: "will be built", work: { push: { branch: "main" } } } as const;
const delivery = (guid: string, more: Partial<Delivery> = {}): Delivery => ({
  guid,
  event: "push",
  owner: "Alice",
  repository: "hello",
  decision: accepted,
  body: Buffer.from("{}"),
  ...more,
});

describe("a delivery", () => {
  it("is stored together with the story that it starts", async () => {
    expect(await storeDelivery(database, delivery("first"))).toBe("new");

    const [row] = await ask(url, "select * from delivery where guid = 'first'");
    expect(row).toMatchObject({ event: "push", owner: "Alice", accepted: true, reason: "will be built" });
    expect(await storiesOf("first")).toEqual([
      { name: "push", status: "ENQUEUED", queue_name: "push", queue_partition_key: "alice" },
    ]);
  });

  it("W9 of a known GUID is a duplicate whatever its body says, and starts nothing", async () => {
    await storeDelivery(database, delivery("again", { body: Buffer.from("first") }));
    const other = delivery("again", { body: Buffer.from("second"), owner: "mallory" });

    expect(await storeDelivery(database, other)).toBe("duplicate");
    const rows = await ask(url, "select body, owner from delivery where guid = 'again'");
    expect(rows).toEqual([{ body: Buffer.from("first"), owner: "Alice" }]);
    expect(await storiesOf("again")).toHaveLength(1);
  });

  it("W9 arriving many times at once is new once", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => storeDelivery(database, delivery("storm"))));

    expect(answers.filter((answer) => answer === "new")).toHaveLength(1);
    expect(await storiesOf("storm")).toHaveLength(1);
  });

  it("that is ignored is stored with its reason and starts nothing", async () => {
    const ignored = delivery("ignored", { decision: { accepted: false, reason: "a tag" } });

    expect(await storeDelivery(database, ignored)).toBe("new");
    expect(await storeDelivery(database, delivery("ignored"))).toBe("duplicate");
    expect(await storiesOf("ignored")).toEqual([]);
    const rows = await ask(url, "select accepted, reason from delivery where guid = 'ignored'");
    expect(rows).toEqual([{ accepted: false, reason: "a tag" }]);
  });

  it("may lack an owner and a repository, as a ping does", async () => {
    const { owner: _owner, repository: _repository, ...ping } = delivery("ping", { event: "ping" });
    expect(await storeDelivery(database, { ...ping, decision: { accepted: false, reason: "a ping" } })).toBe("new");
  });

  it("keeps its body byte for byte, NUL and broken UTF-8 too", async () => {
    const body = Buffer.from([0x7b, 0x00, 0xff, 0xfe, 0x7d]);
    const work = { push: { branch: "nul\0, half a pair \ud800, emoji 🚀" } };
    const decision = { accepted: true, reason: "nul\0", work } as const;
    const hostile = delivery("hostile", { body, decision, owner: "nul\0", repository: "\ud800" });

    expect(await storeDelivery(database, hostile)).toBe("new");
    const [row] = await ask(url, "select body, owner, reason from delivery where guid = 'hostile'");
    expect(row).toEqual({ body, owner: "nul\u{fffd}", reason: "nul\u{fffd}" });
    expect(await inputOf("hostile")).toEqual([work]);
  });

  it("may be as large as GitHub sends them", async () => {
    const body = randomBytes(25 * 1024 * 1024);
    expect(await storeDelivery(database, delivery("large", { body }))).toBe("new");
    const [row] = await ask(url, "select body from delivery where guid = 'large'");
    expect(body.equals(row?.body as Buffer)).toBe(true);
  });

  it("is not stored when its story cannot be", async () => {
    await expect(storeDelivery(database, delivery(""))).rejects.toThrow("Workflow ID cannot be an empty string");
    expect(await ask(url, "select guid from delivery where guid = ''")).toEqual([]);
  });

  it("is forgotten once it is old enough", async () => {
    await storeDelivery(database, delivery("old"));
    await ask(url, "update delivery set received_at = now() - interval '31 days' where guid = 'old'");
    const before = new Date(Date.now() - 30 * 24 * 3600 * 1000);

    expect(await deleteDeliveries(database, { before })).toBe(1);
    expect(await deleteDeliveries(database, { before })).toBe(0);
    expect(await ask(url, "select guid from delivery where guid = 'first'")).toHaveLength(1);
  });
});

describe("the database", () => {
  it("gets its tables once when several processes open it at the same time", async () => {
    await using fresh = await createTestDatabase(inject("database"));
    const opened = await Promise.all(Array.from({ length: 5 }, () => openDatabase(fresh.url, { log: quiet })));
    await Promise.all(opened.map((one) => one[Symbol.asyncDispose]()));
    const versions = (await ask(fresh.url, "select version from migration order by version")).map(
      ({ version }) => version,
    );
    expect(versions).toEqual(versions.map((_, index) => index + 1));
    expect(versions.length).toBeGreaterThan(0);
  });

  it.each([
    ["nobody listens", "postgres://app@127.0.0.1:1/app"],
    ["there is no such socket", "postgres://app@localhost/app?host=/nowhere"],
    ["there is no such database", Object.assign(new URL(inject("database")), { pathname: "/no_such_database" }).href],
  ])("is database_unreachable where %s", async (_what, address) => {
    const opened = openDatabase(address, { log: quiet });
    await expect(opened).rejects.toMatchObject({ name: "BuilderError", code: "database_unreachable" });
  });

  it("is database_unreachable while it refuses to talk, and a fault of our SQL is a bug", async () => {
    await using fresh = await createTestDatabase(inject("database"));
    await using opened = await openDatabase(fresh.url, { log: quiet });
    await expect(opened.query("select pg_terminate_backend(pg_backend_pid())")).rejects.toMatchObject({
      code: "database_unreachable",
    });
    await expect(opened.query("select nonsense")).rejects.toMatchObject({ name: "error", code: "42703" });
    expect(await opened.query("select 1 as one")).toEqual([{ one: 1 }]);
  });
});

async function storiesOf(id: string): Promise<Record<string, unknown>[]> {
  const columns = "name, status, queue_name, queue_partition_key";
  return ask(url, `select ${columns} from dbos.workflow_status where workflow_uuid = $1`, [id]);
}

async function inputOf(id: string): Promise<unknown> {
  const [row] = await ask(url, "select inputs from dbos.workflow_input where workflow_uuid = $1", [id]);
  return JSON.parse(row?.inputs as string).positionalArgs;
}

/** They belong to the engine, which makes them when it starts. */
async function makeQueueTables(): Promise<void> {
  const story = async () => undefined;
  const stories = { push: story, function: story };
  const engine = await startEngine({ databaseUrl: url, executorId: "local", concurrency: 1, log: quiet, stories });
  await engine.stop({ limitMs: 0 });
}
