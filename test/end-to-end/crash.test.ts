import { once } from "node:events";
import { expect, inject, test } from "vitest";
import { ask } from "../database/scratch.ts";
import { startRegistryProxy } from "../registry/registry-proxy.ts";
import { createInstallation, digestOf, owner, stackOf } from "./serving.ts";

/** Each image bears the moment of its build: whoever builds it again without need gets another digest. */
const stamped = "FROM busybox\nARG ONCE\nRUN date +%s.%N > /built && cat /proc/sys/kernel/random/uuid >> /built\n";
const slow = `${stamped}RUN sleep 1\n`;

test.for([
  ["the stack is pending", "stack-deploy", "pending"],
  ["a function is pending", "one", "pending"],
  ["a function has ended", "one", "success"],
  ["another function has ended", "two", "success"],
] as const)("a server that is killed when %s finishes the push after its restart", async ([, context, state]) => {
  await using installation = await createInstallation();
  const { github } = installation;
  const { sha } = await github.createRepository(owner, "fns", {
    files: stackOf({ one: stamped, two: slow }),
    branch: "main",
  });
  const first = await installation.start();
  const seen = github.statuses.until(({ all }) =>
    all.some((status) => status.context === context && status.state === state),
  );
  expect((await installation.push(first, { sha, branch: "main" })).status).toBe(202);
  await seen;
  await first.end("SIGKILL");
  const before = await digestOf("alice/fns-one", `1-main-${sha.slice(0, 7)}`);

  await installation.start();
  const ended = await installation.ended(sha);
  expect(Object.values(ended).map((text) => text.split(":")[0])).toEqual(["success", "success", "success"]);
  const after = await digestOf("alice/fns-one", `1-main-${sha.slice(0, 7)}`);
  if (state === "success") expect(after).toBe(before);
});

/** However the engine wraps what it keeps. */
function deploymentIn(record: string): unknown {
  let found: unknown;
  JSON.parse(record, (key, value) => {
    if (key === "deployment") found = value;
    return value;
  });
  return found;
}

test("what running a function needs is kept with its push, and is there after a restart", async () => {
  await using installation = await createInstallation();
  const { github, settings } = installation;
  const { "one/Dockerfile": dockerfile = "" } = stackOf({ one: slow });
  const deployment = `{lang: dockerfile, handler: ./one, image: one:1, fprocess: ./run, secrets: [key], readonly_root_filesystem: true,
    environment: {A: 1.10, B: inline}, environment_file: [env.yml], limits: {memory: 128Mi, cpu: 100m}, requests: {cpu: 50m},
    labels: {com.openfaas.scale.zero: "false"}, annotations: {topic: cron}}`;
  const files = {
    "stack.yml": `provider: {name: openfaas, gateway: "https://gateway.example"}\nfunctions:\n  one: ${deployment}\n`,
    "env.yml": "environment: {B: from the file}\n",
    "one/Dockerfile": dockerfile,
  };
  const { sha } = await github.createRepository(owner, "fns", { files, branch: "main" });
  const first = await installation.start();
  const building = github.statuses.until(({ latest }) => latest(sha).has("one"));
  const guid = "72d3162e-cc78-11e3-81ab-4c9367dc0959";
  await installation.push(first, { sha, branch: "main", guid });
  await building;
  await first.end("SIGKILL");
  await installation.start();
  expect((await installation.ended(sha)).one).toMatch(/^success: /);

  const kept = async (sql: string, id: string) =>
    String(Object.values((await ask(settings.DATABASE_URL ?? "", sql, [id]))[0] ?? {})[0]);
  const plan = await kept(
    "select output from dbos.operation_outputs where workflow_uuid = $1 and function_name = 'plan'",
    guid,
  );
  const story = await kept("select inputs from dbos.workflow_input where workflow_uuid = $1", `${guid}/one`);
  expect(plan).toContain('"gateway":"https://gateway.example"');
  for (const record of [plan, story]) {
    expect(deploymentIn(record)).toEqual({
      fprocess: "./run",
      namespace: "",
      environment: { A: "1.10", B: "from the file" },
      environmentFiles: [],
      secrets: ["alice-key"],
      constraints: [],
      labels: { "com.openfaas.scale.zero": "false" },
      annotations: { topic: "cron" },
      limits: { memory: "128Mi", cpu: "100m" },
      requests: { memory: "", cpu: "50m" },
      readonlyRootFilesystem: true,
    });
  }
});

test("a server that is killed right after it answered 202 has lost nothing", async () => {
  await using installation = await createInstallation();
  const { sha } = await installation.github.createRepository(owner, "fns", {
    files: stackOf({ one: stamped }),
    branch: "main",
  });
  const first = await installation.start();
  await installation.push(first, { sha, branch: "main" });
  await first.end("SIGKILL");
  await installation.start();
  expect((await installation.ended(sha)).one).toMatch(/^success: /);
});

test("W9 the same delivery twice is built once", async () => {
  await using installation = await createInstallation();
  const { github } = installation;
  const { sha } = await github.createRepository(owner, "fns", { files: stackOf({ one: stamped }), branch: "main" });
  const serving = await installation.start();
  const guid = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
  await installation.push(serving, { sha, branch: "main", guid });
  await installation.ended(sha);
  const told = github.statuses.all.length;
  const again = await installation.push(serving, { sha, branch: "main", guid });
  expect(again.body.message).toContain("this delivery was accepted before");
  // The story that a second push of the same repository tells is behind anything the first delivery could have started.
  const other = await github.commit(owner, "fns", { files: { x: "x" }, branch: "main" });
  await installation.push(serving, { sha: other, branch: "main" });
  await installation.ended(other);
  expect(github.statuses.all.filter((status) => status.sha === sha)).toHaveLength(told);
});

test("W9 what GitHub delivers once more is built where it had failed to deliver it, and once", async () => {
  await using installation = await createInstallation();
  const { github } = installation;
  const { sha } = await github.createRepository(owner, "fns", { files: stackOf({ one: stamped }), branch: "main" });
  const guid = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
  expect(await github.hook.send(github.pushPayload({ owner, name: "fns", sha, branch: "main" }), { guid })).toBe(502);
  github.hook.url = `${(await installation.start()).address}/github-event`;
  const [failed] = github.hook.noted;
  if (!failed) return expect.unreachable();
  expect([await github.hook.redeliver(failed), await github.hook.redeliver(failed)]).toEqual([202, 202]);
  expect((await installation.ended(sha)).one).toMatch(/^success: /);
  const runs = await ask(installation.settings.DATABASE_URL ?? "", "select id, state from push");
  expect(runs).toEqual([{ id: guid, state: "success" }]);
});

test("a server that is asked to stop lets the build end, is not ready meanwhile, and leaves with 0", async () => {
  await using installation = await createInstallation();
  const { github } = installation;
  const files = stackOf({ one: `${slow}RUN sleep 2\n` });
  const { sha } = await github.createRepository(owner, "fns", { files, branch: "main" });
  const serving = await installation.start();
  const left = once(serving.process, "exit");
  const building = github.statuses.until(({ latest }) => latest(sha).has("one"));
  await installation.push(serving, { sha, branch: "main" });
  await building;
  serving.process.kill("SIGTERM");
  await serving.logged("stopping: no new work is taken");
  const ready = await fetch(`${serving.address}/ready`);
  expect([ready.status, await ready.json()]).toEqual([
    503,
    { ready: false, parts: expect.objectContaining({ process: "of-builder is stopping", database: "ok" }) },
  ]);
  expect((await left)[0]).toBe(0);
  expect((await installation.ended(sha)).one).toMatch(/^success: /);
});

test("a second signal leaves at once, and the next start finishes what was being built", async () => {
  await using installation = await createInstallation();
  const { github } = installation;
  const files = stackOf({ one: "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid && sleep 20\n" });
  const { sha } = await github.createRepository(owner, "fns", { files, branch: "main" });
  const serving = await installation.start();
  await installation.push(serving, { sha, branch: "main" });
  await github.statuses.until(({ latest }) => latest(sha).has("one"));
  serving.process.kill("SIGTERM");
  await serving.logged("a second signal leaves at once");
  // What comes at once after the first one is none: systemd's come twice.
  const left = once(serving.process, "exit");
  const again = setInterval(() => serving.process.kill("SIGTERM"), 100);
  expect(await left).toEqual([1, null]);
  clearInterval(again);
  expect(github.statuses.latest(sha).get("one")?.state).toBe("pending");
  await installation.start();
  expect((await installation.ended(sha)).one).toMatch(/^success: /);
});

test("a BuildKit that is not there is said, tried again, and in the end an error with what to do", async () => {
  await using installation = await createInstallation({
    BUILDKIT_HOST: "tcp://127.0.0.1:1",
    // Shorter waits could be over before GitHub is told of them.
    retry_first_ms: "4000",
    retry_attempts: "1",
  });
  const { github } = installation;
  const { sha } = await github.createRepository(owner, "fns", { files: stackOf({ one: stamped }), branch: "main" });
  const serving = await installation.start();
  expect((await fetch(`${serving.address}/ready`)).status).toBe(503);
  await installation.push(serving, { sha, branch: "main" });
  const ended = await installation.ended(sha);
  expect(ended.one).toMatch(/^error: .*127\.0\.0\.1:1/);
  expect(
    github.statuses.all.some(({ state, description }) => state === "pending" && /attempt 2/.test(description)),
  ).toBe(true);
});

test("a registry that is not there is an error, and a later push works", async () => {
  await using installation = await createInstallation({ push_repository_url: "127.0.0.1:1" });
  const { github } = installation;
  const { sha } = await github.createRepository(owner, "fns", { files: stackOf({ one: stamped }), branch: "main" });
  const first = await installation.start();
  await installation.push(first, { sha, branch: "main" });
  expect((await installation.ended(sha)).one).toMatch(/^error: .*registry/);
  await first.end("SIGTERM");
  installation.settings.push_repository_url = inject("registry");
  const later = await github.commit(owner, "fns", { files: { x: "x" }, branch: "main" });
  await installation.push(await installation.start(), { sha: later, branch: "main" });
  expect((await installation.ended(later)).one).toMatch(/^success: /);
});

test("K3 an image is built only once the registry gives it out as what was pushed, and not by its word alone", async () => {
  const body = JSON.stringify({ schemaVersion: 2 });
  await using registry = await startRegistryProxy(inject("registry"), {
    answer: ({ method, url = "" }) =>
      method === "GET" && url.includes("/manifests/1-main-") ? { status: 200, body } : undefined,
  });
  await using installation = await createInstallation({ push_repository_url: registry.host });
  const { github } = installation;
  const { sha } = await github.createRepository(owner, "swapped", { files: stackOf({ one: stamped }), branch: "main" });
  await installation.push(await installation.start(), { name: "swapped", sha, branch: "main" });
  expect((await installation.ended(sha)).one).toMatch(/^error: .*was pushed as sha256:[0-9a-f]{64}, but/);
  expect(await digestOf("alice/swapped-one", `1-main-${sha.slice(0, 7)}`)).toMatch(/^sha256:/);
});

test("GitHub that fails for a while still hears the end", async () => {
  await using installation = await createInstallation();
  const { github } = installation;
  const { sha } = await github.createRepository(owner, "fns", { files: stackOf({ one: stamped }), branch: "main" });
  const serving = await installation.start();
  github.failNext({ fault: { kind: "status", status: 502 }, matching: "/statuses/", times: 2 });
  github.failNext({ fault: { kind: "cut" }, matching: "/statuses/", times: 1 });
  await installation.push(serving, { sha, branch: "main" });
  expect((await installation.ended(sha))["stack-deploy"]).toMatch(/^success: /);
});
