import { randomBytes } from "node:crypto";
import { afterAll, describe, expect, inject, it } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { createDeliveryStore, type Delivery, deleteDeliveries } from "../../src/database/deliveries.ts";
import { makeQueueTables } from "../../src/jobs/queue-tables.ts";
import type { InstalledChange } from "../../src/model/installed.ts";
import { pushOf, supersede } from "./runs.ts";
import { ask, createTestDatabase, quiet } from "./scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log: quiet }));
await makeQueueTables({ databaseUrl: url, log: quiet });

const accepted = (guid: string) =>
  ({ kind: "run", reason: "will be built", work: { push: pushOf({ delivery: guid }) } }) as const;
const delivery = (guid: string, more: Partial<Delivery> = {}): Delivery => ({
  guid,
  event: "push",
  owner: "Alice",
  repository: "hello",
  source: "webhook",
  answer: "202",
  decision: accepted(guid),
  body: Buffer.from("{}"),
  ...more,
});
const store = createDeliveryStore(database, supersede);

describe("a delivery", () => {
  it("is stored together with the story that it starts", async () => {
    expect(await store(delivery("first"))).toBe("new");

    const [row] = await ask(url, "select * from delivery where guid = 'first'");
    expect(row).toMatchObject({ event: "push", owner: "Alice", accepted: true, reason: "will be built" });
    expect(await storiesOf("first")).toEqual([
      { name: "push", status: "ENQUEUED", queue_name: "push", queue_partition_key: "alice" },
    ]);
  });

  it("W9 of a known GUID is a duplicate whatever its body says, and starts nothing", async () => {
    await store(delivery("again", { body: Buffer.from("first") }));
    const other = delivery("again", { body: Buffer.from("second"), owner: "mallory" });

    expect(await store(other)).toBe("duplicate");
    const rows = await ask(url, "select body, owner from delivery where guid = 'again'");
    expect(rows).toEqual([{ body: Buffer.from("first"), owner: "Alice" }]);
    expect(await storiesOf("again")).toHaveLength(1);
  });

  it("W9 arriving many times at once is new once", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => store(delivery("storm"))));

    expect(answers.filter((answer) => answer === "new")).toHaveLength(1);
    expect(await storiesOf("storm")).toHaveLength(1);
  });

  it("that is ignored is stored with its reason and starts nothing", async () => {
    const ignored = delivery("ignored", { decision: { kind: "ignored", reason: "a tag" } });

    expect(await store(ignored)).toBe("new");
    expect(await store(delivery("ignored"))).toBe("duplicate");
    expect(await storiesOf("ignored")).toEqual([]);
    const rows = await ask(url, "select accepted, reason from delivery where guid = 'ignored'");
    expect(rows).toEqual([{ accepted: false, reason: "a tag" }]);
  });

  it("may lack an owner and a repository, as a ping does", async () => {
    const { owner: _owner, repository: _repository, ...ping } = delivery("ping", { event: "ping" });
    expect(await store({ ...ping, decision: { kind: "ignored", reason: "a ping" } })).toBe("new");
  });

  it("keeps its body byte for byte, NUL and broken UTF-8 too", async () => {
    const body = Buffer.from([0x7b, 0x00, 0xff, 0xfe, 0x7d]);
    const work = { push: pushOf({ delivery: "hostile", branch: "nul\0, half a pair \ud800, emoji 🚀" }) };
    const decision = { kind: "run", reason: "nul\0", work } as const;
    const hostile = delivery("hostile", { body, decision, owner: "nul\0", repository: "\ud800" });

    expect(await store(hostile)).toBe("new");
    const [row] = await ask(url, "select body, owner, reason from delivery where guid = 'hostile'");
    expect(row).toEqual({ body, owner: "nul\u{fffd}", reason: "nul\u{fffd}" });
    expect(await inputOf("hostile")).toEqual([work]);
  });

  it("may be as large as GitHub sends them", async () => {
    const body = randomBytes(25 * 1024 * 1024);
    expect(await store(delivery("large", { body }))).toBe("new");
    const [row] = await ask(url, "select body from delivery where guid = 'large'");
    expect(body.equals(row?.body as Buffer)).toBe(true);
  });

  it("is not stored when its story cannot be", async () => {
    await expect(store(delivery(""))).rejects.toThrow("Workflow ID cannot be an empty string");
    expect(await ask(url, "select guid from delivery where guid = ''")).toEqual([]);
  });

  it("W9 of a run that failed by our fault starts another one, once for each failure", async () => {
    const given = delivery("failed");
    await store(given);
    expect(await store(given)).toBe("duplicate");
    await ask(url, "update push set state = 'error', ended_at = now() where id = 'failed'");

    const answers = await Promise.all([store(given), store(given), store(given)]);
    expect(answers.toSorted()).toEqual(["again", "duplicate", "duplicate"]);
    const [row] = await ask(url, "select run, attempts from delivery where guid = 'failed'");
    expect(row).toMatchObject({ attempts: 2, run: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(await storiesOf(String(row?.run))).toHaveLength(1);
    const [work] = (await inputOf(String(row?.run))) as [{ push: { delivery: string; sha: string } }];
    expect(work.push).toMatchObject({ delivery: row?.run, sha: pushOf().sha });
  });

  it.each(["success", "failure", "cancelled", "running"])("W9 of a run that is %s starts no other", async (state) => {
    await store(delivery(`is-${state}`));
    await ask(url, "update push set state = $1 where id = $2", [state, `is-${state}`]);
    expect(await store(delivery(`is-${state}`))).toBe("duplicate");
  });

  it("of what a person asks for is stored with that, once", async () => {
    const command = { kind: "cancel", push: "first" } as const;
    const about = { owner: "Alice", repository: "hello", repositoryId: "1", installationId: "2" };
    const asked = { delivery: "asking", command, by: "octocat", ...about };
    const asking = delivery("asking", { decision: { kind: "command", reason: "cancel", asked } });

    expect(await store(asking)).toBe("new");
    expect(await store(asking)).toBe("duplicate");
    expect(await ask(url, "select id, asked, state from command")).toEqual([{ id: "asking", asked, state: "waiting" }]);
  });

  it("W13 of where the App is installed changes what is known of that", async () => {
    const repository = { id: "9", owner: "Alice", name: "old", private: false };
    const tell = (guid: string, change: InstalledChange) =>
      store(delivery(guid, { decision: { kind: "installed", reason: "told", change } }));
    const known = () => ask(url, "select id, installation_id, owner, name, private, removed from repository");

    await tell("in-1", { installationId: "5", state: "active", repositories: [repository], removed: [] });
    await tell("in-2", { repositories: [{ ...repository, name: "new", private: true }], removed: [] });
    const renamed = { id: "9", installation_id: "5", owner: "Alice", name: "new", private: true, removed: false };
    expect(await known()).toEqual([renamed]);
    await tell("in-3", { installationId: "5", repositories: [], removed: ["9"] });
    await tell("in-4", { installationId: "5", state: "suspended", repositories: [], removed: [] });
    expect(await known()).toEqual([{ ...renamed, removed: true }]);
    expect(await ask(url, "select id, state from installation")).toEqual([{ id: "5", state: "suspended" }]);
    expect(await tell("in-2", { repositories: [repository], removed: [] })).toBe("duplicate");
    expect(await known()).toEqual([{ ...renamed, removed: true }]);
  });

  it("is forgotten once it is old enough", async () => {
    await store(delivery("old"));
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
