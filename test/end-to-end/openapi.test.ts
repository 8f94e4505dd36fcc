import { createHmac } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { createApiToken } from "../../src/compose/api-token.ts";
import { buildConfigSchema } from "../../src/model/build-api.ts";
import { archive, type Member } from "../contexts/archives.ts";
import { pushOf } from "../database/runs.ts";
import { ask } from "../database/scratch.ts";
import { createInstallation, type Installation, type Serving } from "./serving.ts";

type Responses = Readonly<Record<string, { content: Record<string, { schema: object }> }>>;
interface Operation {
  readonly responses: Responses;
}
interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly responses: Responses; readonly schemas: Readonly<Record<string, unknown>> };
}

const secret = "a payload secret";
let installation: Installation;
let serving: Serving;
let document: OpenApi;
const seen = new Set<string>();

beforeAll(async () => {
  installation = await createInstallation({ max_inflight: "1", max_queue: "0", max_body_bytes: "1000000" });
  await writeFile(join(installation.folder, "secrets", "payload-secret"), secret);
  serving = await installation.start();
  document = (await (await fetch(`${serving.address}/openapi.json`)).json()) as OpenApi;
});
afterAll(() => installation[Symbol.asyncDispose]());

const order = (dockerfile: string, config: object, ...more: readonly Member[]) =>
  archive(
    { name: "context/Dockerfile", body: dockerfile },
    { name: "com.openfaas.docker.config", body: JSON.stringify(config) },
    ...more,
  );
const unpushed = { image: "x/y:1", skipPush: true };
const good = order("FROM busybox\n", unpushed);
const failing = order("FROM busybox\nRUN exit 3\n", unpushed);
const endless = order("FROM busybox\nRUN while true; do echo running; sleep 1; done\n", unpushed);
const unnamed = order("FROM busybox\n", { image: "no name" });
/** Sealed for a key that this server has not. */
const sealed = order(
  "FROM busybox\n",
  { image: "x/y:1" },
  {
    name: "com.openfaas.secrets",
    body: `version: v1\nkey_id: none\npublic_key: ${Buffer.alloc(32).toString("base64")}\nsecrets: {}\n`,
  },
);
const signed = (body: Buffer, more: Record<string, string> = {}) => ({
  method: "POST",
  body: new Uint8Array(body),
  headers: { "x-build-signature": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`, ...more },
});

/** Holds one answer against the document, and answers its status. Names in the path stand for themselves. */
async function hold(path: string, init: RequestInit = {}, query = ""): Promise<number> {
  const response = await fetch(`${serving.address}${path.replaceAll(/[{}]/g, "")}${query}`, init);
  const method = (init.method ?? "GET").toLowerCase();
  const told = document.paths[path]?.[method]?.responses[response.status];
  await holdAnswer(`${method} ${path}`, response, told);
  return response.status;
}

async function holdAnswer(asked: string, response: Response, told: Responses[string] | undefined): Promise<void> {
  expect(told, `${asked} may answer ${response.status}`).toBeDefined();
  const type = response.headers.get("content-type")?.split(";")[0] ?? "";
  const schema = told?.content[type]?.schema;
  expect(schema, `${asked} may answer ${type}`).toBeDefined();
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const validate = ajv.compile({ ...schema, components: document.components });
  for (const value of valuesOf(await response.text(), type))
    expect([validate(value), validate.errors]).toEqual([true, null]);
  seen.add(`${asked} ${response.status} ${type}`);
}

function valuesOf(text: string, type: string): unknown[] {
  if (["text/plain", "text/event-stream"].includes(type) && !text.includes("data: {")) return [text];
  if (type === "application/json") return [JSON.parse(text)];
  const lines = text.split("\n").map((line) => line.replace(/^(?:event: .*|data: )/, ""));
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
}

test("openapi.json is an OpenAPI 3.1 document whose references all lead somewhere", () => {
  expect(document.openapi).toMatch(/^3\.1\./);
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
    ([, name]) => name,
  );
  const { schemas } = document.components;
  expect(references.filter((name) => !Object.hasOwn(schemas, name ?? ""))).toEqual([]);
  expect(references.length).toBeGreaterThan(10);
});

test.for<[string, () => RequestInit, number]>([
  ["/healthz", () => ({}), 200],
  ["/ready", () => ({}), 200],
  ["/metrics", () => ({}), 200],
  ["/openapi.json", () => ({}), 200],
  ["/publickey", () => ({}), 503],
  ["/public-key", () => ({}), 503],
  ["/github-event", () => ({ method: "POST", body: "{}", headers: { "content-type": "application/json" } }), 401],
  ["/webhook", () => ({ method: "POST", body: "{}", headers: { "content-type": "application/json" } }), 401],
  ["/build", () => ({ method: "POST", body: "x" }), 401],
  ["/build", () => signed(Buffer.from("no tar")), 400],
  ["/build", () => signed(Buffer.alloc(1_000_001)), 413],
  ["/build", () => signed(unnamed), 422],
  ["/build", () => signed(sealed), 503],
  ["/build", () => signed(good), 200],
  ["/build", () => signed(good, { accept: "application/x-ndjson" }), 200],
  ["/build", () => signed(good, { accept: "text/event-stream" }), 200],
  ["/build", () => signed(failing, { accept: "application/x-ndjson" }), 200],
  ["/build", () => signed(failing), 500],
])("%s answers as the document says", async ([path, init, status]) => {
  expect(await hold(path, init())).toBe(status);
});

test("a body that stops coming, and a build for which there is no place, are answered as the document says", async () => {
  const headers = { accept: "application/x-ndjson" };
  const half = new ReadableStream({ start: (body) => body.enqueue(Buffer.from("half")) });
  const slow = hold("/build", { ...signed(good), body: half, duplex: "half" } as RequestInit);
  const stop = new AbortController();
  const running = await fetch(`${serving.address}/build`, { ...signed(endless, headers), signal: stop.signal });
  const reader = running.body?.getReader();
  for (let text = ""; !text.includes("running"); ) text += Buffer.from((await reader?.read())?.value ?? []).toString();
  expect(await hold("/build", signed(good))).toBe(429);
  stop.abort();
  expect(await slow).toBe(408);
});

test("with legacy_status the answers are those of the document, too", async () => {
  await using old = await createInstallation({ legacy_status: "text" });
  const { address } = await old.start();
  for (const [body, status] of [
    [good, 200],
    [failing, 500],
  ] as const) {
    const response = await fetch(`${address}/build`, signed(body));
    expect([response.status, response.headers.get("content-type")]).toEqual([status, "text/plain; charset=utf-8"]);
    await holdAnswer("post /build", response, document.paths["/build"]?.post?.responses[status]);
  }
});

test("what is not served is answered as the document says", async () => {
  const { NoSuchPath, NoSuchMethod } = document.components.responses;
  const nothing = await fetch(`${serving.address}/nothing`);
  expect(nothing.status).toBe(404);
  await holdAnswer("get /nothing", nothing, NoSuchPath);
  for (const path of Object.keys(document.paths).filter((served) => served !== "/healthz")) {
    const other = await fetch(`${serving.address}${path.replaceAll(/[{}]/g, "")}`, { method: "PUT" });
    expect([path, other.status, other.headers.get("allow")]).toEqual([path, 405, expect.any(String)]);
    await holdAnswer(`put ${path}`, other, NoSuchMethod);
  }
});

test("a delivery that is taken is answered as the document says", async () => {
  const body = '{"zen":"Design for failure."}';
  const signature = createHmac("sha256", installation.github.webhookSecret).update(body).digest("hex");
  const headers = {
    "content-type": "application/json",
    "x-github-event": "ping",
    "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    "x-hub-signature-256": `sha256=${signature}`,
  };
  for (const path of ["/github-event", "/webhook"]) {
    expect(await hold(path, { method: "POST", body, headers })).toBe(202);
  }
});

test("the API of pushes answers as the document says", async () => {
  const { DATABASE_URL: database = "", secret_mount_path: folder = "" } = installation.settings;
  const { token } = await createApiToken(folder, { name: "all", scopes: ["read", "write"] });
  const reader = await createApiToken(folder, { name: "reader", scopes: ["read"] });
  await ask(
    database,
    `insert into push (id, owner, repository, repository_id, branch, ref, sha, kind, force, work, state, ended_at)
    values ('id', 'alice', 'fns', '1', 'main', 'refs/heads/main', 'abc', 'push', false, $1, 'success', now())`,
    [JSON.stringify({ push: pushOf({ delivery: "id" }) })],
  );
  await ask(database, "insert into push_function (push_id, function) values ('id', 'name')");
  const as = (given: string, more: RequestInit = {}) => ({
    ...more,
    headers: { authorization: `Bearer ${given}`, ...more.headers },
  });
  const json = { "content-type": "application/json" };
  const log = "/api/pushes/{id}/functions/{name}/log";
  const rows: readonly (readonly [string, RequestInit, number])[] = [
    ["/api/pushes", {}, 401],
    ["/api/pushes", as(token), 200],
    ["/api/pushes", as("wrong"), 401],
    ["/api/pushes/{id}", as(token), 200],
    [log, as(token), 200],
    [log, as(token, { headers: { accept: "text/event-stream" } }), 200],
    ["/api/pushes/{id}/cancel", as(token, { method: "POST" }), 200],
    ["/api/pushes/{id}/cancel", as(reader.token, { method: "POST" }), 403],
    ["/api/pushes/{id}/rebuild", as(token, { method: "POST", body: "{}", headers: json }), 202],
    ["/api/pushes/{id}/rebuild", as(token, { method: "POST", body: "[]", headers: json }), 400],
  ];
  for (const [path, init, status] of rows) expect([path, await hold(path, init)]).toEqual([path, status]);
  const [push] = await ask(database, "select log_key from push where id = 'id'");
  expect(await hold("/logs/{id}/{name}", {}, `?key=${push?.log_key}`)).toBe(200);
  expect(await hold("/logs/{id}/{name}", {}, "?key=wrong")).toBe(404);
  await ask(database, "delete from push where id = 'id'");
  for (const path of ["/api/pushes/{id}", log]) expect(await hold(path, as(token))).toBe(404);
});

test("every path that is served is in the document, and was asked for above", async () => {
  const { fix } = (await (await fetch(`${serving.address}/nothing`)).json()) as { fix: string };
  expect(fix.replace("Paths: ", "").split(", ").sort()).toEqual(Object.keys(document.paths).sort());
  for (const path of Object.keys(document.paths))
    expect([...seen].some((line) => line.includes(` ${path} `))).toBe(true);
});

test("the config that the document describes is what real clients send", () => {
  const sent = { image: `${inject("registry")}/x`, buildArgs: { A: "b" }, platforms: ["linux/amd64"], skipPush: true };
  expect(buildConfigSchema.strict().parse(sent)).toEqual(sent);
});
