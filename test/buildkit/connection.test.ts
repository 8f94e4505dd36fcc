import { execFile } from "node:child_process";
import { createHash, randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Server as GrpcServer, ServerCredentials } from "@grpc/grpc-js";
import { expect, inject, onTestFinished, test } from "vitest";
import { parseAddress } from "../../src/buildkit/address.ts";
import { createBuildkit } from "../../src/buildkit/client.ts";
import { createFileSync, diffCopyPath } from "../../src/buildkit/file-sync.ts";
import { ControlService, SolveRequest } from "../../src/buildkit/generated/control.ts";
import { type Definition, Op } from "../../src/buildkit/generated/pb.ts";
import { createHealth } from "../../src/buildkit/health.ts";
import { createProgress } from "../../src/buildkit/progress.ts";
import { createId, openSession } from "../../src/buildkit/session.ts";
import { runSolve } from "../../src/buildkit/solve.ts";
import { createLog } from "../../src/log.ts";
import { countProcesses } from "./count-processes.ts";
import { createMemoryContext } from "./memory-context.ts";
import { buildOnce } from "./one-build.ts";

const log = createLog("silent");
const { signal } = new AbortController();
const context = createMemoryContext({ Dockerfile: "FROM busybox\nRUN echo on the way; sleep 1000\n" });

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function bind(server: GrpcServer): Promise<number> {
  onTestFinished(() => server.forceShutdown());
  return await new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
}

/** Passes connections on to the suite's daemon, and lets a test cut them. */
async function startProxy(): Promise<{ address: string; sockets: Socket[] }> {
  const path = inject("buildkit").replace(/^unix:\/\//, "");
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    const onward = connect(path);
    sockets.push(socket);
    socket.pipe(onward).pipe(socket);
    for (const each of [socket, onward]) each.on("error", () => undefined);
    socket.on("close", () => onward.destroy());
    onward.on("close", () => socket.destroy());
  });
  return { address: `tcp://127.0.0.1:${await listen(server)}`, sockets };
}

test("the version is told", async () => {
  const client = createBuildkit({ address: inject("buildkit"), log });
  expect((await client.check({ signal })).version).toMatch(/^v\d+\.\d+\.\d+/);
  client.close();
});

test.for(["tcp://127.0.0.1:1", "unix:///nowhere/buildkitd.sock"])(
  "a daemon that is not there, at %s",
  async (address) => {
    const client = createBuildkit({ address, log });
    const expected = {
      code: "buildkit_unreachable",
      transient: true,
      message: expect.stringContaining(`"${address}"`),
    };
    await expect(client.check({ signal })).rejects.toMatchObject(expected);
    await expect(client.build({ context }, { signal, onEvent: () => undefined })).rejects.toMatchObject(expected);
    client.close();
  },
);

test("a daemon that takes the connection and says nothing is given up", async () => {
  const silent = createServer((socket) => void socket.on("error", () => undefined).resume());
  const address = `tcp://127.0.0.1:${await listen(silent)}`;
  await expect(createBuildkit({ address, log }).check({ signal })).rejects.toMatchObject({
    code: "buildkit_unreachable",
  });
});

test("asking the version can be cancelled", async () => {
  const stop = new AbortController();
  const silent = createServer((socket) => {
    socket.on("error", () => undefined).resume();
    stop.abort();
  });
  const address = `tcp://127.0.0.1:${await listen(silent)}`;
  const checking = createBuildkit({ address, log }).check({ signal: stop.signal });
  await expect(checking).rejects.toMatchObject({ code: "build_cancelled" });
});

test("an old daemon is refused, unless forced", async () => {
  const server = new GrpcServer();
  const version = { package: "", version: "v0.31.1", revision: "" };
  server.addService(ControlService, {
    info: (_: unknown, answer: (error: null, value: object) => void) => answer(null, { buildkitVersion: version }),
  });
  const address = `tcp://127.0.0.1:${await bind(server)}`;
  await expect(createBuildkit({ address, log }).check({ signal })).rejects.toMatchObject({
    code: "buildkit_refused",
    message: expect.stringContaining('"v0.31.1"'),
    fix: expect.stringContaining("Update buildkitd"),
  });
  await expect(createBuildkit({ address, log, force: true }).check({ signal })).resolves.toEqual({
    version: "v0.31.1",
  });
});

test("a daemon that goes away during a build is told as that", async () => {
  const { address, sockets } = await startProxy();
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const { error } = await buildOnce(
    { context, noCache: true },
    { address, onEvent: ({ kind }) => kind === "log" && cut() },
  );
  expect(error).toMatchObject({ code: "buildkit_unreachable", transient: true });
});

test("a session that ends half-way ends the build, and its container", async () => {
  const { address, sockets } = await startProxy();
  const mark = String(1_000_000_000 + randomInt(1_000_000_000));
  const sleeping = createMemoryContext({ Dockerfile: `FROM busybox\nRUN echo on the way; sleep ${mark}\n` });
  // The first connection asks for the version, the second one is the session's.
  const cut = async () => {
    while (countProcesses(mark) === 0) await wait(5);
    sockets[1]?.destroy();
  };
  const onEvent = ({ kind }: { kind: string }) => kind === "log" && void cut();
  const { error } = await buildOnce({ context: sleeping }, { address, onEvent });
  expect(error?.code).toBe("buildkit_unreachable");
  while (countProcesses(mark) > 0) await wait(5);
});

test("a session on which the daemon is silent is lost", async () => {
  const silent = createServer((socket) => void socket.on("error", () => undefined).resume());
  const endpoint = parseAddress(`tcp://127.0.0.1:${await listen(silent)}`);
  const session = openSession(endpoint, new Map([createHealth()]), { sharedKey: "", maxSilenceMs: 50 });
  await once(session.lost, "abort");
  expect(session.lost.reason).toMatchObject({ message: "nothing was heard for 0.05 s" });
  await session.close();
});

/** An upload without a build: a definition of one local source. */
function localSource(name: string): Definition {
  const attrs = { "local.unique": createId() };
  const source = Buffer.from(Op.encode(Op.fromPartial({ source: { identifier: `local://${name}`, attrs } })).finish());
  const digest = `sha256:${createHash("sha256").update(source).digest("hex")}`;
  return { def: [source, Buffer.from(Op.encode(Op.fromPartial({ inputs: [{ digest, index: 0n }] })).finish())] };
}

test.for(["/etc", "..", "", "dockerfile/../..", "__proto__", "constructor"])(
  "D7 a folder of another name, %j, is not served",
  async (name) => {
    const endpoint = parseAddress(inject("buildkit"));
    const reads: string[] = [];
    const watched = {
      async list(directory: string) {
        reads.push(directory);
        return [];
      },
    };
    const files = createFileSync(new Map([["context", watched]]));
    const session = openSession(endpoint, new Map([createHealth(), [diffCopyPath, files]]), { sharedKey: createId() });
    const request = { ref: createId(), session: session.id, definition: localSource(name), cache: {} };
    const progress = createProgress(() => undefined);
    const end = await runSolve(session, SolveRequest.fromPartial(request), { progress, signal });
    await session.close();
    // What the daemon says of it may be "context canceled": there, the end of the call cancels the work that reads it.
    expect(end.ok).toBe(false);
    expect(session.fault()).toMatchObject({ message: `no folder "${name}" is offered` });
    expect(reads).toEqual([]);
  },
);

test("credentials are asked for the registry's host and reach it; its refusal is told", async () => {
  const authorizations: (string | undefined)[] = [];
  const registry = createHttpServer((request, response) => {
    authorizations.push(request.headers.authorization);
    const status = request.headers.authorization === undefined ? 401 : 403;
    response.writeHead(status, { "www-authenticate": 'Basic realm="here"', connection: "close" }).end();
  });
  const host = `127.0.0.1:${await listen(registry)}`;
  const asked: string[] = [];
  const { error } = await buildOnce({
    context: createMemoryContext({ Dockerfile: `FROM ${host}/private/base:1\n` }),
    credentials: async (name) => {
      asked.push(name);
      return { username: "alex", password: "s3cret" };
    },
  });
  expect(error).toMatchObject({ code: "registry_denied", location: { path: "Dockerfile", line: 1 } });
  expect(new Set(asked)).toEqual(new Set([host]));
  expect(authorizations).toContain(`Basic ${Buffer.from("alex:s3cret").toString("base64")}`);
});

test("a process that has built ends by itself: no connection and no timer is left", async () => {
  const script = fileURLToPath(new URL("build-and-leave.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script, inject("buildkit")]);
  expect(stdout).toBe("built\nbuild_failed\nbuild_cancelled\n");
});
