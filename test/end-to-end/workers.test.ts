import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { ask, eventually } from "../database/scratch.ts";
import { createInstallation, digestOf, type Installation, owner, type Serving, stackOf } from "./serving.ts";

/** Each image bears the moment of its build: whoever builds it again without need gets another digest. */
const stamped = "FROM busybox\nARG ONCE\nRUN date +%s.%N > /built && cat /proc/sys/kernel/random/uuid >> /built\n";
const slow = `${stamped}RUN sleep 2\n`;

let installation: Installation;
let server: Serving;
const rows = (sql: string, values: unknown[] = []) => ask(installation.settings.DATABASE_URL ?? "", sql, values);
const create = (name: string, files: Record<string, string>) =>
  installation.github.createRepository(owner, name, { files: { ...files, "README.md": name }, branch: "main" });
const runOf = (sha: string) =>
  eventually(async () => {
    const [run] = await rows("select * from push where sha = $1 and ended_at is not null", [sha]);
    return run;
  });
const building = (sha: string) =>
  eventually(async () => {
    const [row] = await rows(
      `select executor_id as executor from push join dbos.workflow_status on workflow_uuid = push.id
      where sha = $1 and exists (select from push_function where push_id = push.id and state = 'running')`,
      [sha],
    );
    return row?.executor;
  });

beforeAll(async () => {
  installation = await createInstallation({
    worker: "false",
    worker_port: "0",
    docker_mirror: inject("registry"),
  });
  server = await installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

test("a server that only takes pushes stores them until a worker builds them", async () => {
  const { sha } = await create("waits", stackOf({ one: stamped }));
  expect((await installation.push(server, { name: "waits", sha, branch: "main" })).status).toBe(202);
  expect(await rows("select state from push where sha = $1", [sha])).toEqual([{ state: "queued" }]);
  // GitHub is told so: with no worker alive nobody else would.
  await installation.github.statuses.until(
    ({ latest }) => latest(sha).get("stack-deploy")?.description === "next to be built",
  );

  const worker = await installation.startWorker();
  expect((await installation.ended(sha)).one).toMatch(/^success: /);
  expect(await runOf(sha)).toMatchObject({ state: "success", description: expect.stringContaining("1 function") });
  const functions = await rows("select function, state, digest from push_function");
  expect(functions).toEqual([{ function: "one", state: "built", digest: expect.stringMatching(/^sha256:/) }]);
  expect(await (await fetch(`${worker.address}/healthz`)).text()).toBe("OK");
  expect((await fetch(`${worker.address}/ready`)).status).toBe(200);
  expect(await (await fetch(`${worker.address}/metrics`)).text()).toContain("of_builder_");
  expect((await fetch(`${worker.address}/build`, { method: "POST" })).status).toBe(404);
  expect(await worker.end("SIGTERM")).toBe(0);
});

test("while no worker lives, who cancels what waits sees that at GitHub", async () => {
  const { sha } = await create("unwanted", stackOf({ one: stamped }));
  expect((await installation.push(server, { name: "unwanted", sha, branch: "main" })).status).toBe(202);
  const { github } = installation;
  github.writers.add("maintainer");
  const run = (await rows("select id from push where sha = $1", [sha]))[0]?.id;
  const check_run = { external_id: `${run}/stack-deploy`, app: { id: Number(github.appId) } };
  const asked = { requested_action: { identifier: "cancel" }, check_run, sender: { login: "maintainer" } };
  const { repository, installation: app } = github.pushPayload({ owner, name: "unwanted", sha });
  const payload = { action: "requested_action", ...asked, repository, installation: app };
  await github.deliver(`${server.address}/github-event`, payload, { event: "check_run" });
  expect(await installation.ended(sha)).toEqual({ "stack-deploy": "error: cancelled: cancelled by maintainer" });
});

test("what a killed worker was at, another one finishes; what was built is not built again", async () => {
  const { sha } = await create("killed", stackOf({ one: stamped, two: slow }));
  const first = await installation.startWorker();
  await installation.push(server, { name: "killed", sha, branch: "main" });
  await eventually(async () => {
    const ended =
      "select from push_function join push on id = push_id where sha = $1 and push_function.state = 'built'";
    return (await rows(ended, [sha])).length > 0;
  });
  await first.end("SIGKILL");
  const tag = `1-main-${sha.slice(0, 7)}`;
  const built = await digestOf("alice/killed-one", tag);
  const second = await installation.startWorker();
  expect(Object.values(await installation.ended(sha)).map((text) => text.split(":")[0])).toEqual(
    Array(3).fill("success"),
  );
  expect(await digestOf("alice/killed-one", tag)).toBe(built);
  await second.logged("took over the stories of a dead executor");
  expect(await second.end("SIGTERM")).toBe(0);
});

test("a living worker takes up what a killed one was at long before its own build of a minute ends", async () => {
  await using pair = await createInstallation({
    worker: "false",
    docker_mirror: inject("registry"),
    max_inflight: "2",
    // Functions wait in a queue of their own then, in which each worker has as many places as it may build at once.
    owner_concurrency: "9",
  });
  const endless = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid && sleep 60\n";
  const serving = await pair.start();
  const push = async (name: string, dockerfiles: Readonly<Record<string, string>>) => {
    const files = { ...stackOf(dockerfiles), [name]: "" };
    const { sha } = await pair.github.createRepository(owner, name, { files, branch: "main" });
    await pair.push(serving, { name, sha, branch: "main" });
  };
  const tellers = `
    select executor_id as executor, repository from push_function work join push on push.id = push_id
    join dbos.workflow_status story on workflow_uuid = push_id || '/' || function
    where work.state = 'running' and status = 'PENDING' order by repository`;
  const running = async (repositories: string) => {
    const found = await ask(pair.settings.DATABASE_URL ?? "", tellers);
    return found.map(({ repository }) => repository).join(" ") === repositories && found;
  };
  const first = await pair.startWorker();
  await push("killed", { one: endless, two: endless });
  const [dead] = await eventually(() => running("killed killed"));
  await pair.startWorker();
  await push("living", { one: endless });
  const [, , heir] = await eventually(() => running("killed killed living"));
  await first.end("SIGKILL");
  // It has two places, and one build that it began before the other one died.
  const both = await eventually(async () => {
    const found = await running("killed living");
    return found && new Set([...found, heir].map((one) => one?.executor)).size === 1 && found;
  });
  expect(both.map(({ executor }) => executor)).not.toContain(dead?.executor);
});

test("workers find what was pushed, and do what was asked for, while no server runs", async () => {
  const { sha } = await create("serverless", stackOf({ one: stamped }));
  installation.settings.sweep_interval = "200ms";
  expect(await server.end("SIGTERM")).toBe(0);
  const worker = await installation.startWorker();
  const { github } = installation;
  const payload = github.pushPayload({ owner, name: "serverless", sha, branch: "main" });
  await github.hook.send(payload);
  expect((await installation.ended(sha)).one).toMatch(/^success: /);

  const run = await runOf(sha);
  github.writers.add("maintainer");
  const check_run = { external_id: `${run?.id}/stack-deploy`, app: { id: Number(github.appId) } };
  const asked = { requested_action: { identifier: "rebuild-all" }, check_run, sender: { login: "maintainer" } };
  const { repository, installation: app } = payload;
  await github.hook.send(
    { action: "requested_action", ...asked, repository, installation: app },
    { event: "check_run" },
  );
  await eventually(async () => {
    const rebuilt = "select from push where sha = $1 and kind = 'rebuild' and state = 'success'";
    return (await rows(rebuilt, [sha])).length === 1;
  });
  expect(await worker.end("SIGTERM")).toBe(0);
  server = await installation.start();
});

test("a rolling restart of server and workers under pushes loses nothing, and builds nothing twice", async () => {
  const names = ["roll-1", "roll-2", "roll-3", "roll-4", "roll-5", "roll-6"];
  const files = stackOf({ one: slow });
  const shas = new Map(await Promise.all(names.map(async (name) => [name, (await create(name, files)).sha] as const)));
  let [one, two] = [await installation.startWorker(), await installation.startWorker()];
  const push = async (name: string) =>
    expect((await installation.push(server, { name, sha: shas.get(name) ?? "", branch: "main" })).status).toBe(202);

  for (const name of names.slice(0, 3)) await push(name);
  await building(shas.get("roll-1") ?? "");
  expect(await one.end("SIGTERM")).toBe(0);
  one = await installation.startWorker();
  await push("roll-4");
  expect(await server.end("SIGTERM")).toBe(0);
  server = await installation.start();
  await push("roll-5");
  expect(await two.end("SIGTERM")).toBe(0);
  two = await installation.startWorker();
  await push("roll-6");

  for (const sha of shas.values()) expect((await installation.ended(sha)).one).toMatch(/^success: /);
  const ids = [...shas.values()];
  const runs = "select state, count(*)::integer as runs from push where sha = any($1) group by state";
  expect(await rows(runs, [ids])).toEqual([{ state: "success", runs: names.length }]);
  // A build step that was remembered is the only one of its function.
  const steps = await rows(
    `select split_part(workflow_uuid, '/', 1) as id, count(*)::integer as builds from dbos.operation_outputs
    join push on push.id = split_part(workflow_uuid, '/', 1)
    where function_name like 'build%' and sha = any($1) group by 1`,
    [ids],
  );
  expect(steps.map(({ builds }) => builds)).toEqual(Array(names.length).fill(1));
  for (const [name, sha] of shas) {
    const [row] = await rows("select digest from push_function join push on id = push_id where sha = $1", [sha]);
    expect(await digestOf(`alice/${name}-one`, `1-main-${sha.slice(0, 7)}`)).toBe(row?.digest);
  }
  await Promise.all([one.end("SIGTERM"), two.end("SIGTERM")]);
});

test("two servers that are restarted in turn, with less time to stop than a build takes, lose nothing", async () => {
  await using pair = await createInstallation({ docker_mirror: inject("registry"), drain_limit: "300ms" });
  const look = (sql: string, values: unknown[] = []) => ask(pair.settings.DATABASE_URL ?? "", sql, values);
  const start = (name: string) => {
    pair.settings.data_path = join(pair.folder, name);
    return pair.start();
  };
  const servers = { one: await start("one"), two: await start("two") };
  const shas = new Map<string, string>();
  const push = async (name: string, serving: Serving) => {
    const files = stackOf({ quick: stamped, long: `${stamped}RUN sleep 4\n` });
    const { sha } = await pair.github.createRepository(owner, name, {
      files: { ...files, [name]: "" },
      branch: "main",
    });
    shas.set(name, sha);
    expect((await pair.push(serving, { name, sha, branch: "main" })).status).toBe(202);
    return eventually(async () => {
      const [row] = await look(
        `select executor_id as executor from push join dbos.workflow_status on workflow_uuid = push.id || '/long'
        where sha = $1 and status = 'PENDING'`,
        [sha],
      );
      return row?.executor as string | undefined;
    });
  };
  const builders: string[] = [];
  for (const [round, name] of (["one", "two", "one"] as const).entries()) {
    const other = name === "one" ? "two" : "one";
    builders.push(await push(`pair-${round}-a`, servers[name]), await push(`pair-${round}-b`, servers[other]));
    // It leaves amid what it builds, if it builds; the other one takes deliveries meanwhile.
    const leaving = servers[name].end("SIGTERM");
    builders.push(await push(`pair-${round}-c`, servers[other]));
    expect(await leaving).toBe(0);
    servers[name] = await start(name);
  }
  for (const sha of shas.values()) {
    const states = Object.values(await pair.ended(sha)).map((text) => text.split(":")[0]);
    expect(states).toEqual(["success", "success", "success"]);
  }
  expect(new Set(builders).size).toBeGreaterThan(1);
  const runs = await look("select state, count(*)::integer as runs from push group by state");
  expect(runs).toEqual([{ state: "success", runs: shas.size }]);
  // A build that had ended is remembered, and is the only one; one that was left is built where it went on.
  const steps = await look(
    `select workflow_uuid as id, count(*)::integer as builds from dbos.operation_outputs
    where function_name like 'build%' and error is null group by 1`,
  );
  expect(steps.map(({ builds }) => builds)).toEqual(Array(2 * shas.size).fill(1));
  for (const [name, sha] of shas) {
    for (const row of await look(
      "select function, digest from push_function join push on id = push_id where sha = $1",
      [sha],
    )) {
      expect(await digestOf(`alice/${name}-${row.function}`, `1-main-${sha.slice(0, 7)}`)).toBe(row.digest);
    }
  }
});

test("a branch under constant pushes finishes one build, and its image only moves forward", async () => {
  installation.settings.max_superseded = "2";
  const worker = await installation.startWorker();
  const restarted = server;
  server = await installation.start();
  await restarted.end("SIGTERM");
  const { sha: first } = await create("busy", stackOf({ one: `${slow}RUN sleep 2 # 0\n` }));
  const shas = [first];
  const push = (sha: string) =>
    installation.push(server, { name: "busy", sha, branch: "main", pushedAt: 1_700_000_000 + shas.indexOf(sha) });
  await push(first);
  await building(first);
  for (let index = 1; index <= 4; index++) {
    const files = { "one/Dockerfile": `${slow}RUN sleep 2 # ${index}\n` };
    const sha = await installation.github.commit(owner, "busy", { files, branch: "main" });
    shas.push(sha);
    await push(sha);
    await building(sha);
  }
  const runs = await Promise.all(shas.map(runOf));
  // Two are cancelled, the third may finish, the fourth is cancelled beside it, the newest finishes.
  expect(runs.map(({ state }) => state)).toEqual(["cancelled", "cancelled", "success", "cancelled", "success"]);
  expect(runs[0]).toMatchObject({ description: `superseded by ${shas[1]?.slice(0, 7)}: one` });
  const ended = await installation.ended(first);
  expect(ended["stack-deploy"]).toBe(`error: cancelled: superseded by ${shas[1]?.slice(0, 7)}: one`);
  const [branch] = await rows("select sha from function_build where repository = 'busy'");
  expect(branch).toEqual({ sha: shas.at(-1) });

  // A delivery that comes late is of a commit that is not the head any more.
  const late = await installation.push(server, { name: "busy", sha: first, branch: "main", pushedAt: 1_699_999_999 });
  expect(late.status).toBe(202);
  const [again] = await eventually(async () => {
    const found = await rows("select state, description from push where sha = $1 and ended_at is not null", [first]);
    return (
      found.length === 2 &&
      found.filter(({ description }) => String(description).includes(String(shas.at(-1)?.slice(0, 7))))
    );
  });
  expect(again).toMatchObject({ state: "cancelled" });
  expect(await rows("select sha from function_build where repository = 'busy'")).toEqual([branch]);
  await worker.end("SIGTERM");
});
