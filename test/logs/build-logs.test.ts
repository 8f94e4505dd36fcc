import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import S3rver from "s3rver";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { createLogRows } from "../../src/database/build-logs.ts";
import { type Database, openDatabase } from "../../src/database/database.ts";
import { type BuildLogs, createBuildLogs } from "../../src/logs/build-logs.ts";
import { createLogStore } from "../../src/logs/log-store.ts";
import type { BuildEvent } from "../../src/model/build-event.ts";
import { createRedactor } from "../../src/model/redaction.ts";
import { ask, createScratch, createTestDatabase, eventually, quiet } from "../database/scratch.ts";

const parts = new AsyncDisposableStack();
let url: string;
let database: Database;
let folder: string;

beforeAll(async () => {
  folder = parts.use(await createScratch()).path;
  url = parts.use(await createTestDatabase(inject("database"))).url;
  database = parts.use(await openDatabase(url, { log: quiet }));
});
afterAll(() => parts.disposeAsync());

const secret = "s3cret-of-the-house";
const lost: unknown[] = [];
const printed = (line: string): BuildEvent => ({
  kind: "log",
  vertex: "a",
  stream: "stdout",
  timestamp: 0,
  text: `${line}\n`,
});

function logsIn(address: string, endpoint?: string): BuildLogs {
  return createBuildLogs({
    rows: createLogRows(database),
    store: createLogStore({ address, endpoint, region: "us-east-1" }),
    redactor: async () => createRedactor([secret]),
    onLost: (_log, error) => lost.push(error),
  });
}

async function write(logs: BuildLogs, push: string, ...lines: readonly string[]): Promise<void> {
  await using log = await logs.open({ push, function: "fn" });
  for (const line of lines) log.event(printed(line));
}

async function readAll(logs: BuildLogs, push: string, from = 0): Promise<string | undefined> {
  const read = await logs.read({ push, function: "fn" }, from);
  return read && text(read);
}

const never = {
  hasEnded: async () => false,
  hear: () => ({ [Symbol.dispose]() {} }),
  signal: new AbortController().signal,
};

describe("a log in a folder", () => {
  test("is read while it is written, and the same from any byte on once it is packed", async () => {
    const logs = logsIn(join(folder, "logs"));
    await write(logs, "one", "first", "zwölf");
    await write(logs, "one", `second ${secret}`);
    const whole = "#1 0.000 first\n#1 0.000 zwölf\n#1 0.000 second ***\n";
    expect(await readAll(logs, "one")).toBe(whole);
    const bytes = Buffer.from(whole);
    const froms = [0, 1, 14, 15, 40, bytes.length - 1, bytes.length, bytes.length + 10];
    for (const from of froms) expect(await readAll(logs, "one", from)).toBe(bytes.subarray(from).toString());

    await logs.pack();
    expect(await ask(url, "select place from build_log where push_id = 'one'")).toEqual([{ place: "one/fn.log.gz" }]);
    expect(await ask(url, "select * from build_log_part where push_id = 'one'")).toEqual([]);
    expect(gunzipSync(await readFile(join(folder, "logs/one/fn.log.gz"))).toString()).toBe(whole);
    for (const from of froms) expect(await readAll(logs, "one", from)).toBe(bytes.subarray(from).toString());
    expect(await logs.tail({ push: "one", function: "fn" }, 30)).toBe("#1 0.000 second ***\n");
    expect(await logs.tail({ push: "one", function: "fn" }, 4000)).toBe(whole);
  });

  test("that is packed takes nothing more", async () => {
    const logs = logsIn(join(folder, "logs"));
    await write(logs, "late", "in time");
    await logs.pack();
    await write(logs, "late", "too late");
    expect(await readAll(logs, "late")).toBe("#1 0.000 in time\n");
  });

  test("that does not exist is none", async () => {
    expect(await readAll(logsIn(folder), "nobody")).toBeUndefined();
    expect(await logsIn(folder).tail({ push: "nobody", function: "fn" }, 10)).toBe("");
  });

  test("W15 names of strangers lead to no other place of the disk", async () => {
    const logs = logsIn(join(folder, "logs"));
    await write(logs, "../../escaped", "x");
    await logs.pack();
    expect(await readAll(logs, "../../escaped")).toBe("#1 0.000 x\n");
    const [row] = await ask(url, "select place from build_log where push_id = '../../escaped'");
    expect(row?.place).toMatch(/^x-[0-9a-f]{32}\/fn\.log\.gz$/);
  });

  test("whose database or store fails while it is packed or read fails there, and stays whole", async () => {
    const address = join(folder, "failing");
    const rows = createLogRows(database);
    const store = createLogStore({ address, endpoint: undefined, region: "us-east-1" });
    const hands = { store, redactor: async () => createRedactor([]), onLost: () => {} };
    await write(logsIn(address), "failing", "kept");
    const partsFrom: typeof rows.partsFrom = async (log, from) => {
      if (from > 0) throw new Error("the database is gone");
      return rows.partsFrom(log, from);
    };
    await expect(createBuildLogs({ ...hands, rows: { ...rows, partsFrom } }).pack()).rejects.toThrow("is gone");
    expect(await readAll(logsIn(address), "failing")).toBe("#1 0.000 kept\n");
    await logsIn(address).pack();
    const open = async (place: string) => {
      const [head = Buffer.alloc(0)] = await (await store.open(place)).take(1).toArray();
      return Readable.from(
        (async function* () {
          yield head.subarray(0, 12);
          throw new Error("the store is gone");
        })(),
      );
    };
    const cut = createBuildLogs({ ...hands, rows, store: { ...store, open } });
    await expect(readAll(cut, "failing")).rejects.toThrow("the store is gone");
    expect(await readAll(logsIn(address), "failing")).toBe("#1 0.000 kept\n");
  });

  test("of a function that still runs is not packed, and its forgetting takes both its rows and its file", async () => {
    const logs = logsIn(join(folder, "logs"));
    await ask(url, runStatement, ["running"]);
    await write(logs, "running", "x");
    await write(logs, "old", "y");
    await logs.pack();
    expect(await ask(url, "select push_id from build_log where place is null")).toEqual([{ push_id: "running" }]);
    await logs.forget({ before: new Date(Date.now() + 1000) });
    expect(await ask(url, "select push_id from build_log union select push_id from build_log_part")).toEqual([]);
    await expect(readFile(join(folder, "logs/old/fn.log.gz"))).rejects.toThrow("ENOENT");
  });
});

describe("who follows a log", () => {
  test("sees it from before its beginning to its end, over the packing, and goes on at any byte", async () => {
    const logs = logsIn(join(folder, "followed"));
    let seen = "";
    let isOver = false;
    let tell = () => {};
    const hear = (listener: () => void) => {
      tell = listener;
      return { [Symbol.dispose]() {} };
    };
    const following = (async () => {
      const how = { ...never, from: 0, hear, hasEnded: async () => isOver };
      for await (const bytes of logs.follow({ push: "live", function: "fn" }, how)) seen += bytes.toString();
    })();
    await write(logs, "live", "one");
    tell();
    await eventually(async () => seen === "#1 0.000 one\n");
    await write(logs, "live", "two");
    tell();
    await eventually(async () => seen.endsWith("two\n"));
    await write(logs, "live", "three");
    isOver = true;
    tell();
    await logs.pack();
    await following;
    const whole = "#1 0.000 one\n#1 0.000 two\n#1 0.000 three\n";
    expect(seen).toBe(whole);
    const rest = logs.follow({ push: "live", function: "fn" }, { ...never, from: 20, hasEnded: async () => true });
    expect(await text(rest)).toBe(whole.slice(20));
  });

  test("leaves when told to", async () => {
    const leaving = new AbortController();
    const following = text(
      logsIn(folder).follow({ push: "never", function: "fn" }, { ...never, from: 0, signal: leaving.signal }),
    );
    leaving.abort();
    expect(await following).toBe("");
  });
});

test("two that write one log at once share it", async () => {
  const logs = logsIn(join(folder, "logs"));
  const lines = Array.from({ length: 50 }, (_, at) => `line ${at}`);
  await Promise.all([write(logs, "both", ...lines), write(logs, "both", ...lines)]);
  const told = (await readAll(logs, "both"))?.trim().split("\n") ?? [];
  expect(told).toHaveLength(100);
});

test("a database that is away costs lines, never the build", async () => {
  await using away = await createTestDatabase(inject("database"));
  const other = await openDatabase(away.url, { log: quiet });
  await ask(away.url, "drop table build_log_part");
  const logs = createBuildLogs({
    rows: createLogRows(other),
    store: createLogStore({ address: folder, endpoint: undefined, region: "x" }),
    redactor: async () => createRedactor([]),
    onLost: (_log, error) => lost.push(error),
  });
  const log = await logs.open({ push: "lost", function: "fn" });
  log.event(printed("x"));
  await eventually(async () => lost.length > 0);
  await ask(away.url, "create table build_log_part (push_id text, function text, at bigint, text text)");
  await log[Symbol.asyncDispose]();
  const [row] = await ask(away.url, "select text from build_log_part");
  expect(row?.text).toBe("#1 0.000 x\n");
  await other[Symbol.asyncDispose]();
});

describe("a log in S3", () => {
  let server: S3rver;
  let endpoint: string;
  let bucketFolder: string;

  beforeAll(async () => {
    bucketFolder = await mkdtemp(join(tmpdir(), "s3-"));
    server = new S3rver({
      port: 0,
      address: "127.0.0.1",
      silent: true,
      directory: bucketFolder,
      configureBuckets: [{ name: "kept", configs: [] }],
    });
    const { port } = await server.run();
    endpoint = `http://127.0.0.1:${port}`;
    process.env.AWS_ACCESS_KEY_ID = "S3RVER";
    process.env.AWS_SECRET_ACCESS_KEY = "S3RVER";
  });
  afterAll(async () => {
    await server.close();
    await rm(bucketFolder, { recursive: true, force: true });
    delete process.env.AWS_ACCESS_KEY_ID;
    delete process.env.AWS_SECRET_ACCESS_KEY;
  });

  test("is put under its prefix, read from any byte on, and deleted", async () => {
    const logs = logsIn("s3://kept/of-builder/", endpoint);
    await write(logs, "bucket", "first", "second");
    await logs.pack();
    const answer = await fetch(`${endpoint}/kept/of-builder/bucket/fn.log.gz`);
    expect(gunzipSync(new Uint8Array(await answer.arrayBuffer())).toString()).toBe("#1 0.000 first\n#1 0.000 second\n");
    expect(await readAll(logs, "bucket", 15)).toBe("#1 0.000 second\n");
    await logs.forget({ before: new Date(Date.now() + 1000) });
    expect((await fetch(`${endpoint}/kept/of-builder/bucket/fn.log.gz`)).status).toBe(404);
  });

  test("that cannot be put stays where it is, with words that say why", async () => {
    const logs = logsIn("s3://nowhere", endpoint);
    await write(logs, "kept", "x");
    await expect(logs.pack()).rejects.toMatchObject({
      code: "log_store_failed",
      message: expect.stringMatching(/^cannot keep kept\/fn\.log\.gz in s3:\/\/nowhere: .*bucket does not exist/),
    });
    expect(await readAll(logs, "kept")).toBe("#1 0.000 x\n");
  });
});

const runStatement = `insert into push (id, owner, repository, repository_id, branch, ref, sha, kind, force, work, state)
  values ($1, 'alice', 'fns', '1', 'main', 'refs/heads/main', 'abc', 'push', false, '{}', 'running')`;
