import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createApiToken } from "../../src/compose/api-token.ts";
import type { TokenGrant } from "../../src/model/api-token.ts";
import { pushDetailSchema, pushListSchema } from "../../src/model/pushes-api.ts";
import { ask, eventually } from "../database/scratch.ts";
import { createInstallation, type Installation, type Serving, stackOf } from "./serving.ts";

let installation: Installation;
let serving: Serving;
let database: string;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  installation = await createInstallation();
  database = installation.settings.DATABASE_URL ?? "";
  const grants: readonly TokenGrant[] = [
    { name: "all", scopes: ["read", "write"] },
    { name: "reader", scopes: ["read"] },
    { name: "alice", scopes: ["read", "write"], owner: "Alice" },
    { name: "bob", scopes: ["read", "write"], owner: "bob" },
  ];
  const folder = installation.settings.secret_mount_path ?? "";
  for (const grant of grants) tokens[grant.name] = (await createApiToken(folder, grant)).token;
  serving = await installation.start();
  for (const [id, owner, branch, state, at] of [
    ["a-1", "alice", "main", "success", 1],
    ["a-2", "alice", "main", "failure", 2],
    ["a-3", "alice", "dev", "success", 2],
    ["b-1", "bob", "main", "running", 3],
  ] as const) {
    await ask(database, insertRun, [id, owner, branch, state, new Date(Date.UTC(2026, 0, at))]);
    await ask(database, "insert into push_function (push_id, function) values ($1, 'fn')", [id]);
  }
});
afterAll(() => installation[Symbol.asyncDispose]());

const insertRun = `insert into push (id, owner, repository, repository_id, branch, ref, sha, kind, force, work, state, created_at, ended_at)
  values ($1, $2, 'fns', '1', $3, 'refs/heads/' || $3, 'abc', 'push', false, '{}', $4, $5, case $4 when 'running' then null else now() end)`;

interface Asked {
  readonly token?: string;
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Record<string, string>;
}

function call(path: string, { token = "all", method = "GET", headers = {}, ...rest }: Asked = {}) {
  const authorization = token === "" ? {} : { authorization: `Bearer ${tokens[token] ?? token}` };
  return fetch(`${serving.address}/api${path}`, { method, headers: { ...authorization, ...headers }, ...rest });
}

async function faultOf(answer: Response): Promise<string | undefined> {
  return ((await answer.json()) as { error?: string }).error;
}

async function idsOf(query: string, token = "all"): Promise<readonly string[]> {
  const answer = pushListSchema.parse(await (await call(`/pushes${query}`, { token })).json());
  return answer.pushes.map(({ id }) => id);
}

describe("who asks", () => {
  test.for([
    ["without a token", "", "/pushes", "GET", 401, "brings no token"],
    ["with a token of nobody", "ofb_wrong", "/pushes", "GET", 401, "none of this server's"],
    ["with the hash of a token", "sha256:abc", "/pushes", "GET", 401, "none of this server's"],
    ["to cancel with a token that reads", "reader", "/pushes/a-1/cancel", "POST", 403, "takes the scope write"],
    ["to rebuild with a token that reads", "reader", "/pushes/a-1/rebuild", "POST", 403, "takes the scope write"],
    ["for what is not there", "all", "/pushes/nothing", "GET", 404, 'there is no push "nothing"'],
    ["for a log of no function", "all", "/pushes/a-1/functions/x/log", "GET", 404, 'has no function "x"'],
    ["with a query of other words", "all", "/pushes?owner=a&color=red", "GET", 400, "color"],
    ["for too many", "all", "/pushes?limit=1000", "GET", 400, "limit"],
    ["to go on at no place", "all", "/pushes/a-1/functions/fn/log?from=-1", "GET", 400, "no place in a log"],
    ["with another method", "all", "/pushes/a-1", "DELETE", 405, "is not served"],
  ] as const)("%s is told so", async ([, token, path, method, status, text]) => {
    const answer = await call(path, { token, method });
    expect([answer.status, await faultOf(answer)]).toEqual([status, expect.stringContaining(text)]);
  });

  test("a body that is none, or too long, is refused", async () => {
    const headers = { "content-type": "application/json" };
    for (const [body, status] of [
      ["{", 400],
      ['{"force":1}', 400],
      [`{"functions":["${"x".repeat(200_000)}"]}`, 413],
    ] as const) {
      expect((await call("/pushes/a-1/rebuild", { method: "POST", body, headers })).status).toBe(status);
    }
  });
});

describe("W15 a token that is good for one owner", () => {
  test.for([
    ["/pushes/b-1", "GET"],
    ["/pushes/b-1/functions/fn/log", "GET"],
    ["/pushes/b-1/cancel", "POST"],
    ["/pushes/b-1/rebuild", "POST"],
  ] as const)("gets from %s of another the answer of what is not there", async ([path, method]) => {
    const other = await call(path, { token: "alice", method });
    const nothing = await call(path.replace("b-1", "b-9"), { token: "alice", method });
    expect([other.status, (await other.text()).replace("b-1", "b-9")]).toEqual([404, await nothing.text()]);
  });

  test("lists its own alone, whatever it filters by", async () => {
    expect(await idsOf("", "alice")).toEqual(["a-3", "a-2", "a-1"]);
    expect(await idsOf("?owner=bob", "alice")).toEqual([]);
    expect(await idsOf("?owner=ALICE&branch=main", "alice")).toEqual(["a-2", "a-1"]);
    expect(await idsOf("?after=b-1", "alice")).toEqual(["a-3", "a-2", "a-1"]);
    expect(await idsOf("", "bob")).toEqual(["b-1"]);
  });

  test("cannot cancel or rebuild what another's state shows", async () => {
    expect(await ask(database, "select state, cancelled_at from push where id = 'b-1'")).toEqual([
      { state: "running", cancelled_at: null },
    ]);
  });
});

test("pushes come newest first, in pages, by filters", async () => {
  expect(await idsOf("")).toEqual(["b-1", "a-3", "a-2", "a-1"]);
  expect(await idsOf("?state=success")).toEqual(["a-3", "a-1"]);
  const first = pushListSchema.parse(await (await call("/pushes?limit=2")).json());
  expect(first.next).toBe("a-3");
  const second = pushListSchema.parse(await (await call(`/pushes?limit=2&after=${first.next}`)).json());
  expect(second.pushes.map(({ id }) => id)).toEqual(["a-2", "a-1"]);
  expect(pushListSchema.parse(await (await call("/pushes?limit=2&after=a-1")).json())).toEqual({
    pushes: [],
    next: null,
  });
});

test("tokens are read anew: K5 one that is taken away lets nobody in any more", async () => {
  const folder = installation.settings.secret_mount_path ?? "";
  const { token, file } = await createApiToken(folder, { name: "passing", scopes: ["read"] });
  expect((await call("/pushes", { token })).status).toBe(200);
  const lines = (await readFile(file, "utf8")).split("\n");
  await writeFile(file, lines.filter((line) => !line.startsWith("passing ")).join("\n"));
  expect((await call("/pushes", { token })).status).toBe(401);
  expect(lines.join("\n")).not.toContain(token);
});

/** Reads events until `count` of them, or the end. */
async function readEvents(answer: Response, count = Number.POSITIVE_INFINITY): Promise<readonly Event[]> {
  const events: Event[] = [];
  let text = "";
  for await (const chunk of answer.body ?? []) {
    text += Buffer.from(chunk).toString();
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    events.push(...blocks.filter((block) => !block.startsWith(":")).map(parseEvent));
    if (events.length >= count) break;
  }
  return events;
}

interface Event {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

function parseEvent(block: string): Event {
  const fields = block.split("\n").map((line) => /^(\w+): ?(.*)$/.exec(line) ?? []);
  const of = (name: string) => fields.filter(([, field]) => field === name).map(([, , value = ""]) => value);
  return { id: of("id")[0], event: of("event")[0] ?? "message", data: of("data").join("\n") };
}

describe("the log of a push", () => {
  // Of its own, or the daemon has the steps from another test and prints nothing.
  const base = `FROM busybox\nENV OWN=${randomUUID()}\n`;
  const good = `${base}RUN echo one\nRUN echo two\nRUN echo token ghs_abcdefghijklmnopqrstuvwxyz0123456789\n`;
  let id: string;

  beforeAll(async () => {
    const { sha } = await installation.github.createRepository("Alice", "fns", {
      files: stackOf({ hello: good }),
      branch: "main",
    });
    id = "11111111-2222-3333-4444-555555555555";
    await installation.push(serving, { sha, branch: "main", guid: id });
  });

  const log = (headers: Record<string, string> = {}) => call(`/pushes/${id}/functions/hello/log`, { headers });
  const events = { accept: "text/event-stream" };

  test("is followed from its beginning to its end, and again from any event on", async () => {
    await eventually(async () => (await log()).status === 200);
    const whole = await readEvents(await log(events));
    expect(whole.at(-1)).toMatchObject({ event: "end" });
    const lines = whole.slice(0, -1).map(({ data }) => data);
    const text = `${lines.join("\n")}\n`;
    expect(text).toMatch(/^#\d+ \d\.\d+ one$/m);
    expect(text).toContain("token ***\n");
    expect(text).not.toContain("ghs_");
    expect(await (await log()).text()).toBe(text);
    expect((await log()).headers.get("content-type")).toMatch(/^text\/plain/);
    for (const [at, { id: last = "" }] of whole.slice(0, -1).entries()) {
      const rest = await readEvents(await log({ ...events, "last-event-id": last }));
      const told = rest.filter(({ event }) => event !== "end").map(({ data }) => `${data}\n`);
      expect(told.join("")).toBe(
        lines
          .slice(at + 1)
          .map((line) => `${line}\n`)
          .join(""),
      );
    }
  });

  test("is the same once it is packed", async () => {
    const before = await (await log()).text();
    await eventually(async () => {
      const rows = await ask(database, "select place from build_log where push_id = $1", [id]);
      return typeof rows[0]?.place === "string";
    });
    expect(await (await log()).text()).toBe(before);
    expect((await readEvents(await log(events))).at(-1)).toMatchObject({ event: "end" });
  });

  test("its push tells what became of its functions", async () => {
    const push = pushDetailSchema.parse(await (await call(`/pushes/${id}`)).json());
    expect(push).toMatchObject({ id, owner: "alice", repository: "fns", branch: "main", state: "success" });
    expect(push.functions).toMatchObject([
      { name: "hello", state: "built", digest: expect.stringMatching(/^sha256:/) },
    ]);
  });

  test("its figures are among the metrics", async () => {
    const text = await (await fetch(`${serving.address}/metrics`)).text();
    expect(text).toMatch(/^of_builder_deliveries_total\{event="push",result="accepted",way="webhook"\} 1$/m);
    expect(text).toMatch(/^of_builder_function_seconds_count\{function="hello",result="built"\} 1$/m);
    expect(text).toMatch(/^of_builder_delivery_to_done_seconds_count 1$/m);
    expect(text).toMatch(/^of_builder_pushes\{state="running"\} 1$/m);
  });

  test("a rebuild is a push of its own, and an ended one cannot be cancelled", async () => {
    const headers = { "content-type": "application/json" };
    const answer = await call(`/pushes/${id}/rebuild`, { method: "POST", body: '{"force":true}', headers });
    expect(answer.status).toBe(202);
    const { id: rebuilt } = (await answer.json()) as { id: string };
    await eventually(
      async () => pushDetailSchema.parse(await (await call(`/pushes/${rebuilt}`)).json()).state === "success",
    );
    const push = pushDetailSchema.parse(await (await call(`/pushes/${rebuilt}`)).json());
    expect(push).toMatchObject({ kind: "rebuild", force: true, functions: [{ name: "hello", state: "built" }] });
    const cancelled = await call(`/pushes/${id}/cancel`, { method: "POST" });
    expect(await cancelled.json()).toEqual({ result: "ended" });
  });
});

describe("W15 who follows logs", () => {
  test("takes at most twenty places with one token, and gives them back", async () => {
    const open = () => call("/pushes/b-1/functions/fn/log", { token: "bob", headers: { accept: "text/event-stream" } });
    const followers = await Promise.all(Array.from({ length: 20 }, open));
    expect(followers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    const refused = await open();
    expect([refused.status, await faultOf(refused)]).toEqual([429, "too many logs are followed at once"]);
    expect((await call("/pushes/b-1/functions/fn/log", { token: "bob" })).status).toBe(200);
    await followers[0]?.body?.cancel();
    await eventually(async () => {
      const answer = await open();
      if (answer.status === 200) followers[0] = answer;
      return answer.status === 200;
    });
    for (const { body } of followers) await body?.cancel();
  });

  test("is told to come again when the server stops", async () => {
    const following = await call("/pushes/b-1/functions/fn/log", { headers: { accept: "text/event-stream" } });
    const reading = readEvents(following);
    expect(await serving.end("SIGTERM")).toBe(0);
    expect((await reading).at(-1)).toMatchObject({ event: "retry" });
  });
});
