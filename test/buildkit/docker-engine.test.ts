import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { finished } from "node:stream/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { parseAddress } from "../../src/buildkit/address.ts";
import { createBuildkit } from "../../src/buildkit/client.ts";
import { finishInEngine } from "../../src/buildkit/engine-image.ts";
import { openImageLoad } from "../../src/buildkit/engine-load.ts";
import { inspectDaemon } from "../../src/buildkit/inspect-daemon.ts";
import type { BuildRequest } from "../../src/buildkit/solve-request.ts";
import type { TlsFiles } from "../../src/buildkit/tls-files.ts";
import { createPool, findEngine, settingsFor } from "../../src/compose/buildkit-pool.ts";
import { readConfig } from "../../src/config.ts";
import { createLog } from "../../src/log.ts";
import type { BuildEvent } from "../../src/model/build-event.ts";
import { startChild } from "../../src/parts/child.ts";
import { findProgram } from "../../src/parts/find-program.ts";
import { freePort } from "../../src/parts/free-port.ts";
import { readDigest } from "../../src/registry/manifest.ts";
import { account, startAuthRegistry } from "../registry/auth-registry.ts";
import { createAuthority, createCertificate } from "./certificates.ts";
import { createMemoryContext } from "./memory-context.ts";

/*
 * CI installs a Docker engine for these. Elsewhere they are left out where there is none, and vitest.config.ts says so.
 */
const run = promisify(execFile);
const log = createLog("silent");
const signal = AbortSignal.timeout(110_000);
const parts = new AsyncDisposableStack();
let folder = "";
let socket = "";
/** Of the engine's other door, where it speaks TLS. */
let port = 0;
let tls: TlsFiles;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "of-builder-docker-"));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  socket = join(folder, "docker.sock");
  const authority = await createAuthority(folder, "authority");
  const server = await createCertificate(folder, { name: "server", names: ["IP:127.0.0.1"], authority });
  const client = await createCertificate(folder, { name: "client", names: ["DNS:client"], authority });
  tls = { ca: authority.cert, ...client };
  // Under the names that Docker's own tools look for.
  await copyFile(authority.cert, join(folder, "ca.pem"));
  await copyFile(client.cert, join(folder, "cert.pem"));
  await copyFile(client.key, join(folder, "key.pem"));
  port = await freePort();
  parts.use(await startEngine({ ca: authority.cert, ...server }));
});

afterAll(() => parts.disposeAsync());

/** A Docker engine with folders of its own, which touches neither the machine's network nor another engine. */
async function startEngine({ ca, cert, key }: TlsFiles): Promise<AsyncDisposable> {
  const path = process.env.PATH ?? "";
  const command = await findProgram("dockerd", { path, first: [resolve(".tools/bin")] });
  const folders = ["--data-root", join(folder, "data"), "--exec-root", join(folder, "exec")];
  const network = ["--iptables=false", "--ip6tables=false", "--bridge=none"];
  const doors = ["-H", `unix://${socket}`, "-H", `tcp://127.0.0.1:${port}`];
  const files = ["--tlsverify", `--tlscacert=${ca}`, `--tlscert=${cert}`, `--tlskey=${key}`];
  const args = [...folders, ...network, ...doors, ...files, "--pidfile", join(folder, "pid")];
  return startChild(
    { name: "dockerd", command: command ?? "dockerd", args, folder, logFile: join(folder, "log") },
    { answers: async () => (await ask("GET", "/_ping")) === "OK", limitMs: 60_000, signal },
  );
}

async function ask(method: string, path: string): Promise<string> {
  const { stdout } = await run("curl", ["-sS", "-X", method, "--unix-socket", socket, `http://docker${path}`]);
  return stdout;
}

function context(text = "hello") {
  return createMemoryContext({ Dockerfile: "FROM scratch\nCOPY a /\nLABEL some=thing\n", a: text });
}

async function build(request: BuildRequest, onEvent: (event: BuildEvent) => void = () => undefined) {
  const client = createBuildkit({ address: `docker://${socket}`, force: true, log });
  try {
    return await client.build(request, { signal, onEvent });
  } finally {
    client.close();
  }
}

test("an image is built into the engine's store", async () => {
  const name = "of-builder.example/stored:1";
  const { digest } = await build({ context: context(), image: { names: [name], push: false, insecure: false } });
  const stored = JSON.parse(await ask("GET", `/images/${name}/json`));
  expect(stored).toMatchObject({ Id: digest, Config: { Labels: { some: "thing" } } });
});

test("an engine on another machine is spoken to over TLS", async () => {
  const name = "of-builder.example/from-afar:1";
  const client = createBuildkit({ address: `docker://127.0.0.1:${port}`, tls, force: true, log });
  const image = { names: [name], push: false, insecure: false };
  const { digest } = await client.build({ context: context(), image }, { signal, onEvent: () => undefined });
  expect(JSON.parse(await ask("GET", `/images/${name}/json`)).Id).toBe(digest);
  const plain = createBuildkit({ address: `docker://127.0.0.1:${port}`, force: true, log });
  await expect(plain.check({ signal })).rejects.toMatchObject({ code: "buildkit_unreachable" });
});

test("of-builder build takes an engine for its BuildKit, and pushes by it", async () => {
  const place = join(folder, "stack");
  await mkdir(join(place, "one"), { recursive: true });
  const image = `${inject("registry")}/engine/from-stack:1`;
  const functions = `functions: {one: {lang: dockerfile, handler: ./one, image: '${image}'}}`;
  await writeFile(join(place, "stack.yml"), `provider: {name: openfaas}\n${functions}\n`);
  await writeFile(join(place, "one", "Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n");
  const env = { ...process.env, BUILDKIT_HOST: `docker://${socket}`, buildkit_force: "true", DOCKER_CONFIG: folder };
  const main = resolve("src/cli/main.ts");
  for (const options of [[], ["--push"]]) {
    const { stdout } = await run(process.execPath, [main, "build", ...options], { cwd: place, env });
    expect(stdout).toContain("sha256:");
  }
  const stored = await readDigest(image, { insecure: true, credentials: async () => undefined, signal });
  expect(stored).toMatch(/^sha256:/);
});

test("an engine tells what it is, and grants what it may", async () => {
  const facts = await inspectDaemon(`docker://${socket}`, { signal });
  expect(facts).toMatchObject({
    workers: [{ platforms: expect.arrayContaining([expect.stringMatching(/^linux\//)]) }],
  });
  expect(facts.entitlements).toEqual(["network.host"]);
});

test.for([
  ["nothing but a socket", () => ({ DOCKER_HOST: `unix://${socket}` })],
  [
    "TLS on a port",
    () => ({ DOCKER_HOST: `tcp://127.0.0.1:${port}`, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: folder }),
  ],
] as const)("where there is no other BuildKit the engine of DOCKER_HOST builds: %s", async ([door, environmentOf]) => {
  const config = readConfig({ buildkit_force: "true" });
  const environment = environmentOf();
  const address = (await findEngine(config, { environment, log, signal })) ?? "";
  expect(address).toBe(environment.DOCKER_HOST.replace(/^\w+:/, "docker:"));
  const settings = settingsFor(config, { from: "engine" }, environment);
  const pool = createPool(settings, { addresses: address, log });
  const name = `of-builder.example/found:${door.replaceAll(" ", "-")}`;
  const image = { names: [name], push: false, insecure: false };
  const { digest } = await pool.build({ context: context(), image }, { signal, onEvent: () => undefined });
  pool.close();
  expect(JSON.parse(await ask("GET", `/images/${name}/json`)).Id).toBe(digest);
});

test.for([
  ["is not there", { DOCKER_HOST: "unix:///nowhere/docker.sock" }],
  ["is named in a way of which only Docker's own tools know", { DOCKER_HOST: "ssh://somewhere" }],
] as const)("an engine of DOCKER_HOST that %s is none", async ([, environment]) => {
  expect(await findEngine(readConfig({}), { environment, log, signal })).toBeUndefined();
});

test("what another BuildKit builds is loaded into the engine of DOCKER_HOST, and what the engine builds into its store", async () => {
  const place = join(folder, "loaded");
  await mkdir(join(place, "one"), { recursive: true });
  await writeFile(join(place, "one", "Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n");
  const main = resolve("src/cli/main.ts");
  for (const [tag, buildkit, ...options] of [
    ["remote", inject("buildkit"), "--load"],
    ["own", `docker://${socket}`, "-o", "type=docker"],
  ]) {
    const image = `of-builder.example/loaded:${tag}`;
    const functions = `functions: {one: {lang: dockerfile, handler: ./one, image: '${image}'}}`;
    await writeFile(join(place, "stack.yml"), `provider: {name: openfaas}\n${functions}\n`);
    const env = { ...process.env, BUILDKIT_HOST: buildkit, buildkit_force: "true", DOCKER_HOST: `unix://${socket}` };
    await run(process.execPath, [main, "build", ...options], { cwd: place, env });
    expect(JSON.parse(await ask("GET", `/images/${image}/json`))).toMatchObject({
      RepoTags: expect.arrayContaining([image]),
    });
  }
});

test("what an engine does not take, and one that is not there, fail the build that should be loaded", async () => {
  const sink = await openImageLoad({ address: `docker://${socket}` }, { signal });
  const ended = finished(sink);
  sink.end("no tar at all".repeat(1000));
  await expect(ended).rejects.toMatchObject({ code: expect.stringMatching(/^(output_failed|buildkit_refused)$/) });
  const nowhere = openImageLoad({ address: `docker://${join(folder, "nowhere.sock")}` }, { signal });
  await expect(nowhere).rejects.toMatchObject({ code: "buildkit_unreachable" });
});

test("an image is pushed by the engine, under each of its names, and the registry's digest is told", async () => {
  const names = [1, 2].map((tag) => `${inject("registry")}/engine/pushed:${tag}`);
  const events: BuildEvent[] = [];
  const image = { names, push: true, insecure: true };
  const { digest } = await build({ context: context(), image }, (event) => events.push(event));
  for (const name of names) {
    const stored = await readDigest(name, { insecure: true, credentials: async () => undefined, signal });
    expect(stored).toBe(digest);
  }
  expect(events).toContainEqual(
    expect.objectContaining({ kind: "vertex", name: `pushing ${names[0]}`, completed: expect.any(Number), error: "" }),
  );
});

test("the engine signs in with the account of the registry, and a refusal is a failure", async () => {
  await using registry = await startAuthRegistry(join(folder, "registry"));
  const name = `${registry.host}/engine/private:1`;
  const request = { context: context(), image: { names: [name], push: true, insecure: true } };
  const { digest } = await build({ ...request, engineAccount: async () => account });
  const stored = await readDigest(name, { insecure: true, credentials: async () => account, signal });
  expect(stored).toBe(digest);
  const wrong = { username: "alex", password: "wrong" };
  for (const engineAccount of [async () => wrong, async () => undefined]) {
    await expect(build({ ...request, context: context("other"), engineAccount })).rejects.toMatchObject({
      code: "registry_denied",
      message: expect.stringContaining(name),
    });
  }
});

test("a registry that is not there is told as that", async () => {
  const image = { names: ["127.0.0.1:1/engine/nowhere:1"], push: true, insecure: true };
  await expect(build({ context: context(), image })).rejects.toMatchObject({
    code: "registry_unreachable",
    transient: true,
  });
});

test("a build that fails is told with its step", async () => {
  const broken = createMemoryContext({ Dockerfile: "FROM scratch\nCOPY missing /\n" });
  await expect(build({ context: broken })).rejects.toMatchObject({ code: "build_failed" });
});

test("an engine that is older than the security floor is refused, unless forced", async () => {
  const client = createBuildkit({ address: `docker://${socket}`, log });
  const { Version: version } = JSON.parse(await ask("GET", "/version"));
  if (Number.parseInt(version, 10) >= 29) await expect(client.check({ signal })).resolves.toBeDefined();
  else await expect(client.check({ signal })).rejects.toMatchObject({ code: "buildkit_refused" });
});

test("something else than a Docker engine is told as that", async () => {
  const other = createServer((_, response) => void response.writeHead(404).end());
  const path = join(folder, "other.sock");
  await new Promise<void>((settle) => other.listen(path, settle));
  const client = createBuildkit({ address: `docker://${path}`, log });
  await expect(client.check({ signal })).rejects.toMatchObject({
    code: "buildkit_unreachable",
    message: expect.stringContaining("404"),
  });
  await new Promise((settle) => other.close(settle));
});

test("a push that breaks off half-way is told, and ends nothing but itself", async () => {
  const broken = createServer((request, response) => {
    response.write('{"id":"a","status":"Pushing"}\n{"id":"b",', () => request.socket.destroy());
  });
  const path = join(folder, "broken.sock");
  await new Promise<void>((settle) => broken.listen(path, settle));
  const { address, dialEngine } = parseAddress(`docker://${path}`);
  const image = { names: ["registry.example/a:1"], push: true, insecure: false };
  const finish = () =>
    finishInEngine(
      { address, dialEngine: dialEngine ?? expect.fail("a Docker engine has an API") },
      { image, findAccount: undefined, signal, onEvent: () => undefined },
    );
  for (let round = 0; round < 10; round++) {
    await expect(finish()).rejects.toMatchObject({ code: "buildkit_unreachable", transient: true });
  }
  await new Promise((settle) => broken.close(settle));
});
