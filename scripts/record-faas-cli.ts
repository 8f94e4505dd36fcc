/*
 * Records what real faas-cli programs send to a remote builder, byte for byte, for the tests to replay:
 *
 *   node scripts/record-faas-cli.ts PATH-OF-FAAS-CLI ...
 *
 * Each request goes to test/server/recorded/VERSION-COMMAND.request (of several functions VERSION-COMMAND-FUNCTION), its
 * head and its body as they came over the wire. requests.json names the version, as the program itself tells it, and the command line of each, and holds the secrets
 * that were made up for them.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import nacl from "tweetnacl";

interface Line {
  readonly name: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Commands that there were no earlier than in this version. */
  readonly since: string;
}

const root = fileURLToPath(new URL("../", import.meta.url));
const target = join(root, "test/server/recorded");
const registry = "registry.example.com";
const payloadSecret = "the payload secret of the recordings";
const box = nacl.box.keyPair();
const publicKey = Buffer.from(box.publicKey).toString("base64");
const keys = { keyId: publicKey.slice(0, 8), publicKey, secretKey: Buffer.from(box.secretKey).toString("base64") };
const npmToken = "npm token of the recordings";

const secretStack = `version: 1.0
provider:
  name: openfaas
  gateway: http://127.0.0.1:8080
functions:
  hello:
    lang: dockerfile
    handler: ./examples/hello
    image: ${registry}/hello:0.1
    build_secrets:
      npm_token: npm-token
`;

/** BUILDER stands for the address of the builder, GATEWAY for that of a gateway that takes everything. */
const remote = ["--remote-builder", "BUILDER", "--payload-secret", "payload-secret"];
const lines: readonly Line[] = [
  { name: "publish", args: ["publish", "-f", "stack.yml", "--filter", "shout", ...remote], since: "0.16.6" },
  {
    name: "publish-parallel",
    args: ["publish", "-f", "stack.yml", "--parallel", "4", ...remote],
    since: "0.16.6",
  },
  {
    name: "up",
    args: ["up", "-f", "stack.yml", "--filter", "stamp", "--gateway", "GATEWAY", ...remote],
    since: "0.16.6",
  },
  {
    name: "publish-platforms",
    args: ["publish", "-f", "stack.yml", "--filter", "hello", "--platforms", "linux/amd64,linux/arm64", ...remote],
    since: "0.17.0",
  },
  {
    name: "build",
    args: ["build", "-f", "stack.yml", "--filter", "stamp"],
    env: { OPENFAAS_REMOTE_BUILDER: "BUILDER", OPENFAAS_PAYLOAD_SECRET: "payload-secret" },
    since: "0.18.4",
  },
  {
    name: "publish-secrets",
    args: ["publish", "-f", "secrets.yml", ...remote, "--builder-public-key", "key.pub"],
    since: "0.18.8",
  },
];

await main(process.argv.slice(2));

async function main(programs: readonly string[]): Promise<void> {
  if (programs.length === 0) throw new Error("expected the path of each faas-cli");
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  const folder = await mkdtemp(join(tmpdir(), "of-builder-record-"));
  try {
    await prepareFolder(folder);
    const recorded: object[] = [];
    for (const program of programs) {
      const version = versionOf(program);
      for (const line of lines.filter(({ since }) => isSince(version, since))) {
        recorded.push(...(await record(line, { version, program, folder })));
      }
    }
    const told = { payloadSecret, box: keys, secrets: { npm_token: npmToken }, requests: recorded };
    await writeFile(join(target, "requests.json"), `${JSON.stringify(told, undefined, 2)}\n`);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** @throws Error where it was built without one */
function versionOf(program: string): string {
  const version = execFileSync(program, ["version", "--short-version"], { encoding: "utf8" }).trim();
  if (/^\d+\.\d+\.\d+$/.test(version)) return version;
  throw new Error(`${program} says that its version is "${version}": build it with its version`);
}

function isSince(version: string, since: string): boolean {
  return version.localeCompare(since, "en", { numeric: true }) >= 0;
}

/** This repository's own functions, and what faas-cli wants beside them. */
async function prepareFolder(folder: string): Promise<void> {
  for (const name of ["stack.yml", "examples", "template"])
    await cp(join(root, name), join(folder, name), { recursive: true });
  const template = join(folder, "template/dockerfile");
  await mkdir(join(template, "function"), { recursive: true });
  await writeFile(join(template, "template.yml"), "language: dockerfile\n");
  await writeFile(join(template, "function/Dockerfile"), "FROM busybox\n");
  // Old versions of publish prepare Docker's buildx first, though they do not use it then.
  await mkdir(join(folder, "bin"));
  await writeFile(join(folder, "bin/docker"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  await writeFile(join(folder, "payload-secret"), `${payloadSecret}\n`);
  await writeFile(join(folder, "key.pub"), publicKey);
  await writeFile(join(folder, "npm-token"), npmToken);
  await writeFile(join(folder, "secrets.yml"), secretStack);
}

async function record(
  { name, args, env = {} }: Line,
  { version, program, folder }: { version: string; program: string; folder: string },
): Promise<readonly object[]> {
  const builder = await listen();
  // Before 0.17.5 the address was taken exactly as it was given.
  const url = isSince(version, "0.17.5") ? builder.url : `${builder.url}/build`;
  const fill = (text: string) => text.replace("BUILDER", url).replace("GATEWAY", builder.url);
  const filled = Object.fromEntries(Object.entries(env).map(([key, value]) => [key, fill(value)]));
  const child = spawn(program, args.map(fill), {
    cwd: folder,
    env: { PATH: `${folder}/bin:${process.env.PATH}`, HOME: folder, REGISTRY: registry, ...filled },
    stdio: ["ignore", 2, "inherit"],
  });
  const [code] = await once(child, "exit");
  const requests = await builder.close();
  if (code !== 0 || requests.length === 0) throw new Error(`faas-cli ${version} ${args.join(" ")} ended with ${code}`);
  const shown = url.replace(builder.url, "http://127.0.0.1:8080");
  const told = (text: string) => text.replace("BUILDER", shown).replace("GATEWAY", "http://127.0.0.1:8080");
  const settings = Object.entries(env).map(([key, value]) => `${key}=${told(value)} `);
  const commandLine = `${settings.join("")}faas-cli ${args.map(told).join(" ")}`;
  const byFile = requests.map((bytes) => {
    const part = requests.length > 1 ? `-${functionOf(bytes)}` : "";
    return [`${version}-${name}${part}.request`, bytes] as const;
  });
  for (const [file, bytes] of byFile) await writeFile(join(target, file), bytes);
  // They arrive in any order.
  return byFile
    .map(([file]) => ({ file, version, commandLine }))
    .sort((one, other) => (one.file < other.file ? -1 : 1));
}

/** The function that a request is to build, by the image in its config. */
function functionOf(request: Buffer): string {
  const [, name = ""] = /"image":"registry\.example\.com\/([a-z]+):/.exec(request.toString("latin1")) ?? [];
  if (name !== "") return name;
  throw new Error("a request names no image");
}

/** Hears requests and answers them as a builder that has succeeded, or as a gateway that has no functions and takes all. */
async function listen(): Promise<{ url: string; close(): Promise<readonly Buffer[]> }> {
  const heard: Buffer[] = [];
  const server = createServer((socket) => {
    let bytes = Buffer.of();
    socket.on("data", (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (!isWhole(bytes)) return;
      if (bytes.includes("POST /build ")) heard.push(bytes);
      socket.end(bytes.includes("POST /build ") ? buildAnswer(bytes) : gatewayAnswer(bytes));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      await new Promise((done) => server.close(done));
      return heard;
    },
  };
}

function isWhole(bytes: Buffer): boolean {
  const end = bytes.indexOf("\r\n\r\n");
  const length = /^content-length: (\d+)/im.exec(bytes.toString("latin1", 0, end))?.[1];
  return end > 0 && (length === undefined ? bytes.includes("GET ") : bytes.length >= end + 4 + Number(length));
}

function gatewayAnswer(request: Buffer): string {
  const status = request.includes("GET ") ? "404 Not Found" : "202 Accepted";
  return `HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
}

function buildAnswer(request: Buffer): string {
  const streams = request.includes("application/x-ndjson");
  const result = streams ? { status: "success", image: "x" } : { log: [], image: "x", status: "success" };
  const type = streams ? "application/x-ndjson" : "application/json";
  const body = `${JSON.stringify(result)}\n`;
  return `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
}
