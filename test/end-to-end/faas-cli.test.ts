import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from "vitest";
import { archive } from "../contexts/archives.ts";
import { createInstallation, digestOf, type Installation, type Serving } from "./serving.ts";

/*
 * The real faas-cli, unmodified, against the server as people run it: each program of FAAS_CLI, paths separated by ":".
 * Where there is none its recorded requests are replayed all the same: test/server/recorded.test.ts.
 */
const run = promisify(execFile);
const programs = (process.env.FAAS_CLI ?? "").split(":").filter((path) => path !== "");
const clients = programs.map((program) => ({ program, isNew: knowsSecrets(program) }));
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

/** Versions before 0.18 neither stream nor know build secrets, and build remotely with publish alone. */
function knowsSecrets(program: string): boolean {
  return execFileSync(program, ["publish", "--help"]).includes("--builder-public-key");
}

describe.for(clients)("$program", ({ program, isNew }) => {
  const options = () => ({
    cwd: folder,
    env: {
      PATH: `${folder}/bin:${process.env.PATH}`,
      HOME: installation.folder,
      REGISTRY: `${inject("registry")}/live`,
    },
  });
  const remote = () => ["--remote-builder", `${serving.address}/build`, "--payload-secret", "payload-secret"];

  async function faas(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Result> {
    const { cwd, env: base } = options();
    const child = spawn(program, args, { cwd, env: { ...base, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    const [code] = await once(child, "close");
    return { code, output };
  }

  /** A stack of one function with a Dockerfile of its own. */
  async function writeStack(name: string, dockerfile: string, more = ""): Promise<string> {
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, "Dockerfile"), dockerfile);
    const image = `${inject("registry")}/live/${name}:1`;
    const text = `version: 1.0
provider: {name: openfaas, gateway: "http://127.0.0.1:1"}
functions:
  ${name}:
    lang: dockerfile
    handler: ./${name}
    image: ${image}
${more}`;
    await writeFile(join(folder, `${name}.yml`), text);
    return `${name}.yml`;
  }

  test("publish --parallel 4 builds and pushes every function", async () => {
    const { code, output } = await faas(["publish", "-f", "stack.yml", "--parallel", "4", ...remote()]);
    expect(output).toContain("success building and pushing image");
    expect(code).toBe(0);
    for (const name of ["hello", "shout", "stamp"]) expect(await digestOf(`live/${name}`, "0.1")).toMatch(/^sha256:/);
  });

  test("publish with a failing Dockerfile ends with 1 and says why", async () => {
    const stack = await writeStack("broken", "FROM busybox\nRUN echo the-reason >&2 && exit 3\n");
    const { code, output } = await faas(["publish", "-f", stack, ...remote()]);
    expect(code).toBe(1);
    expect(output).toMatch(/exit code 3/);
    expect(output).toContain("the-reason");
    expect(output).toMatch(/broken/);
  });

  test("publish with a wrong payload secret ends with 1", async () => {
    await writeFile(join(folder, "wrong-secret"), "another\n");
    const args = ["--remote-builder", `${serving.address}/build`, "--payload-secret", "wrong-secret"];
    const { code, output } = await faas(["publish", "-f", "stack.yml", "--filter", "hello", ...args]);
    expect(code).toBe(1);
    expect(output).toMatch(/401|does not fit/);
  });

  // The tests above are all that older versions can do.
  if (!isNew) return;

  describe("in the middle of a build", () => {
    afterEach(async () => {
      serving = await installation.start();
    });

    test.for(["SIGKILL", "SIGTERM"] as const)(
      "a server that ends by %s is never taken for a success",
      async (signal) => {
        const stack = await writeStack("slow", `FROM busybox\nRUN echo ${signal}-begins && sleep 600\n`);
        const { cwd, env } = options();
        const child = spawn(program, ["publish", "-f", stack, ...remote()], {
          cwd,
          env,
          stdio: ["ignore", "pipe", "pipe"],
        });
        const closed = once(child, "close");
        child.stderr.resume();
        let output = "";
        for await (const text of child.stdout.setEncoding("utf8").iterator({ destroyOnReturn: false })) {
          output += text;
          if (output.includes(`${signal}-begins`)) break;
        }
        child.stdout.resume();
        await serving.end(signal);
        const [code] = await closed;
        expect(code).not.toBe(0);
      },
    );
  });

  test("a build with sealed secrets gets them, and finds the key at /publickey", async () => {
    await writeFile(join(folder, "token"), "t0p-secret");
    const dockerfile = `FROM busybox
RUN --mount=type=secret,id=token,required=true test "$(cat /run/secrets/token)" = t0p-secret && echo got-it
`;
    const stack = await writeStack("sealed", dockerfile, "    build_secrets:\n      token: token\n");
    const { code, output } = await faas(["publish", "-f", stack, ...remote()]);
    expect(output).toContain("got-it");
    expect(output).not.toContain("t0p-secret\n");
    expect(code).toBe(0);
  });

  test("plain build takes the builder from the environment", async () => {
    const env = { OPENFAAS_REMOTE_BUILDER: serving.address, OPENFAAS_PAYLOAD_SECRET: "payload-secret" };
    const { code, output } = await faas(["build", "-f", "stack.yml", "--filter", "stamp"], env);
    expect(output).toContain("success building and pushing image");
    expect(code).toBe(0);
  });

  test("up builds remotely and deploys to the gateway", async () => {
    const seen: string[] = [];
    const gateway = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text) => {
        body += text;
      });
      request.on("end", () => {
        seen.push(`${request.method} ${request.url} ${body}`);
        response.writeHead(request.method === "GET" ? 404 : 202).end();
      });
    }).listen(0, "127.0.0.1");
    await once(gateway, "listening");
    const url = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`;
    const args = ["up", "-f", "stack.yml", "--filter", "hello", "--gateway", url, ...remote()];
    const { code, output } = await faas(args);
    gateway.close();
    gateway.closeAllConnections();
    expect(output).toContain("success building and pushing image");
    expect(seen.some((line) => /system\/functions .*live\/hello:0\.1/.test(line))).toBe(true);
    expect(code).toBe(0);
  });
});
