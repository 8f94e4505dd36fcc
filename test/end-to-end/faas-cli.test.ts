import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from "vitest";
import { archive } from "../contexts/archives.ts";
import { faasClis } from "../model/faas-cli.ts";
import { createInstallation, digestOf, type Installation, type Serving } from "./serving.ts";

/*
 * The real faas-cli, unmodified, against the server as people run it: each program of FAAS_CLI, else the one on PATH.
 * Where there is none its recorded requests are replayed all the same: test/server/recorded.test.ts.
 */
const run = promisify(execFile);
const clients = faasClis.map((program) => ({ program, version: versionOf(program) }));
const root = join(import.meta.dirname, "../..");
const main = join(root, "src/cli/main.ts");
let installation: Installation;
let serving: Serving;
let folder: string;

beforeAll(async () => {
  installation = await createInstallation({ drain_ms: "100" });
  folder = join(installation.folder, "functions");
  for (const name of ["stack.yml", "examples", "template"]) {
    await cp(join(root, name), join(folder, name), { recursive: true });
  }
  // faas-cli looks for it on the network otherwise.
  await mkdir(join(folder, "template/dockerfile/function"), { recursive: true });
  await writeFile(join(folder, "template/dockerfile/template.yml"), "language: dockerfile\n");
  await writeFile(join(folder, "template/dockerfile/function/Dockerfile"), "FROM busybox\n");
  await writeFile(join(folder, "payload-secret"), "live secret\n");
  // Old versions of publish prepare Docker's buildx first, though they do not use it then.
  await mkdir(join(folder, "bin"));
  await writeFile(join(folder, "bin/docker"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  await writeFile(join(installation.folder, "secrets/payload-secret"), "live secret\n");
  await run(process.execPath, [main, "keygen", "-o", join(installation.folder, "secrets/build-secrets-key")]);
  serving = await installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

/** A reader as Go's bufio.Scanner is: it stops without a word at a line of 64 KiB, and takes what has no end for a line. */
function scanLines(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const long = lines.findIndex((line) => Buffer.byteLength(line) >= 65_536);
  return long < 0 ? lines : lines.slice(0, long);
}

test("a Go-like reader that stops at 64 KiB hears how a build ended that prints lines without end", async () => {
  const dockerfile = `FROM busybox
RUN head -c 300000 /dev/zero | tr '\\0' x && echo && head -c 70000 /dev/zero | tr '\\0' '\\033' && exit 7
`;
  const body = archive(
    { name: "context/Dockerfile", body: dockerfile },
    { name: "com.openfaas.docker.config", body: JSON.stringify({ image: `${inject("registry")}/long/x:1` }) },
  );
  const file = join(installation.folder, "long.tar");
  await writeFile(file, body);
  const command = `curl -s --data-binary @long.tar -H 'Accept: application/x-ndjson' -H "X-Build-Signature: sha256=$(
    openssl dgst -sha256 -hmac 'live secret' -r long.tar | cut -d ' ' -f 1)" ${serving.address}/build`;
  const { stdout } = await run("sh", ["-c", command], { cwd: installation.folder, maxBuffer: 50_000_000 });
  const records = scanLines(stdout).map((line) => JSON.parse(line));
  expect(
    records
      .flatMap(({ log = [] }) => log)
      .join("")
      .match(/x/g)?.length,
  ).toBeGreaterThanOrEqual(300_000);
  expect(records.at(-1)).toMatchObject({ status: "failed", error: expect.stringContaining("exit code 7") });
});

interface Result {
  readonly code: number;
  readonly output: string;
}

function versionOf(program: string): string {
  return execFileSync(program, ["version", "--short-version"]).toString().trim();
}

function isSince(version: string, since: string): boolean {
  return version.localeCompare(since, "en", { numeric: true }) >= 0;
}

/** The commands that build remotely, and what they need to. */
type Command = "publish" | "up" | "build";

/** A place that a step of a build asks before it goes on, which it never may. */
async function startGate(): Promise<{ port: number; asked: Promise<void> } & Disposable> {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const server = createServer(() => resolve()).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: portOf(server), asked, [Symbol.dispose]: () => void server.close().closeAllConnections() };
}

/** A gateway of OpenFaaS that has no functions, and takes all. */
async function startGateway(): Promise<{ url: string; deployed: string[] } & Disposable> {
  const deployed: string[] = [];
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    if (request.method !== "GET") deployed.push(`${request.url} ${body}`);
    response.writeHead(request.method === "GET" ? 404 : 202).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${portOf(server)}`;
  return { url, deployed, [Symbol.dispose]: () => void server.close().closeAllConnections() };
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

describe.for(clients)("faas-cli $version, $program", ({ program, version }) => {
  const knowsSecrets = execFileSync(program, ["publish", "--help"]).includes("--builder-public-key");
  // Those that stream, but are older than build secrets, drop every error of a stream: nothing that a server can do.
  const hearsBrokenStreams = knowsSecrets || !isSince(version, "0.17.5");
  // Since the same version plain build takes the builder from the environment.
  const commands: readonly Command[] = knowsSecrets ? ["publish", "up", "build"] : ["publish", "up"];

  /** Begins a command that builds remotely. */
  function begin(
    command: Command,
    args: readonly string[],
    { gateway = "http://127.0.0.1:1", key = "payload-secret" },
  ) {
    const url = `${serving.address}/build`;
    const remote = command === "build" ? [] : ["--remote-builder", url, "--payload-secret", key];
    const deploying = command === "up" ? ["--gateway", gateway] : [];
    const env = {
      PATH: `${folder}/bin:${process.env.PATH}`,
      HOME: installation.folder,
      REGISTRY: `${inject("registry")}/live`,
      ...(command === "build" && { OPENFAAS_REMOTE_BUILDER: url, OPENFAAS_PAYLOAD_SECRET: key }),
    };
    const stdio = ["ignore", "pipe", "pipe"] as const;
    return spawn(program, [command, ...args, ...remote, ...deploying], { cwd: folder, env, stdio: [...stdio] });
  }

  async function faas(
    command: Command,
    args: readonly string[],
    options: Parameters<typeof begin>[2] = {},
  ): Promise<Result> {
    const child = begin(command, args, options);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    const [code] = await once(child, "close");
    return { code, output };
  }

  /** A stack of functions with Dockerfiles of their own; what is built once is in no other test's cache. */
  async function writeStack(functions: Readonly<Record<string, string>>, more = ""): Promise<string> {
    const [file = ""] = Object.keys(functions);
    const entries = Object.keys(functions).map(
      (name) =>
        `  ${name}: {lang: dockerfile, handler: ./${name}, image: "${inject("registry")}/live/${name}:1"${more}}\n`,
    );
    for (const [name, text] of Object.entries(functions)) {
      await mkdir(join(folder, name), { recursive: true });
      await writeFile(join(folder, name, "Dockerfile"), `FROM busybox\nENV TEST="${version} ${name}"\n${text}`);
    }
    const provider = 'version: 1.0\nprovider: {name: openfaas, gateway: "http://127.0.0.1:1"}\n';
    await writeFile(join(folder, `${file}.yml`), `${provider}functions:\n${entries.join("")}`);
    return `${file}.yml`;
  }

  test("publish --parallel 4 builds and pushes every function", async () => {
    const { code, output } = await faas("publish", ["-f", "stack.yml", "--parallel", "4"]);
    expect(output).toContain(knowsSecrets ? "success building and pushing image" : "hello");
    expect(code).toBe(0);
    for (const name of ["hello", "shout", "stamp"]) expect(await digestOf(`live/${name}`, "0.1")).toMatch(/^sha256:/);
  });

  test("up --parallel 4 builds every function and deploys them to the gateway", async () => {
    using gateway = await startGateway();
    const names = ["a", "b", "c", "d", "e"].map((letter) => `up-${letter}`);
    const stack = await writeStack(Object.fromEntries(names.map((name) => [name, "RUN true\n"])));
    const { code, output } = await faas("up", ["-f", stack, "--parallel", "4"], { gateway: gateway.url });
    expect([code, output]).toEqual([0, expect.any(String)]);
    for (const name of names) {
      expect(await digestOf(`live/${name}`, "1")).toMatch(/^sha256:/);
      expect(gateway.deployed.some((line) => line.includes(`live/${name}:1`))).toBe(true);
    }
  });

  test.for(commands)("%s with a failing Dockerfile ends with 1, says why, and deploys nothing", async (command) => {
    using gateway = await startGateway();
    const failing = "RUN echo the-reason >&2 && exit 3\n";
    const stack = await writeStack({ [`broken-${command}`]: failing, [`well-${command}`]: "RUN true\n" });
    const { code, output } = await faas(command, ["-f", stack, "--parallel", "4"], { gateway: gateway.url });
    expect(output).toMatch(/exit code:? 3/);
    expect(output).toContain("the-reason");
    expect(output).toContain(`broken-${command}`);
    expect(code).toBe(1);
    expect(gateway.deployed).toEqual([]);
  });

  test.for(commands)("%s with a wrong payload secret ends with 1", async (command) => {
    await writeFile(join(folder, "wrong-secret"), "another\n");
    const { code, output } = await faas(command, ["-f", "stack.yml", "--filter", "hello"], { key: "wrong-secret" });
    expect(code).toBe(1);
    expect(output).toMatch(/401|does not fit/);
  });

  describe("in the middle of a build", () => {
    afterEach(async () => {
      serving = await installation.start();
    });

    const signals = hearsBrokenStreams ? (["SIGTERM", "SIGKILL"] as const) : (["SIGTERM"] as const);
    const rows = commands.flatMap((command) => signals.map((signal) => ({ command, signal })));
    test.for(rows)("$command never takes a server that ends by $signal for a success", async ({ command, signal }) => {
      using gate = await startGate();
      using gateway = await startGateway();
      const name = `slow-${command}-${signal.toLowerCase()}`;
      const stack = await writeStack({ [name]: `RUN wget -qO- http://127.0.0.1:${gate.port}/\n` });
      const child = begin(command, ["-f", stack], { gateway: gateway.url });
      const closed = once(child, "close");
      child.stdout.resume();
      child.stderr.resume();
      await gate.asked;
      await serving.end(signal);
      const [code] = await closed;
      expect(code).toBe(1);
      expect(gateway.deployed).toEqual([]);
    });
  });

  // The tests above are all that older versions can do.
  if (!knowsSecrets) return;

  test.for(commands)(
    "%s with build secrets seals them for the key at /publickey, and the build gets them",
    async (command) => {
      using gateway = await startGateway();
      await writeFile(join(folder, "token"), "t0p-secret");
      const step = `RUN --mount=type=secret,id=token,required=true grep -q ^t0p- /run/secrets/token && echo got-it\n`;
      const stack = await writeStack({ [`sealed-${command}`]: step }, ", build_secrets: {token: token}");
      const { code, output } = await faas(command, ["-f", stack], { gateway: gateway.url });
      expect(output).toContain("got-it");
      expect(output).not.toContain("t0p-secret");
      expect(code).toBe(0);
    },
  );

  test("plain build takes the builder from the environment", async () => {
    const { code, output } = await faas("build", ["-f", "stack.yml", "--filter", "stamp"]);
    expect(output).toContain("success building and pushing image");
    expect(code).toBe(0);
  });
});
