import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createBuildkit } from "../../src/buildkit/client.ts";
import { createBuildkitPool } from "../../src/buildkit/pool.ts";
import type { TlsFiles } from "../../src/buildkit/tls-files.ts";
import { createLog } from "../../src/log.ts";
import { createAuthority, createCertificate, type Pair } from "./certificates.ts";
import { startTlsDaemon } from "./daemons.ts";
import { createMemoryContext } from "./memory-context.ts";

const log = createLog("silent");
const { signal } = new AbortController();
const parts = new AsyncDisposableStack();
let folder = "";
let address = "";
let authority: Pair;
let client: Pair;
let stranger: Pair;
let strangersAuthority: Pair;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "of-builder-tls-"));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  authority = await createAuthority(folder, "authority");
  strangersAuthority = await createAuthority(folder, "strangers-authority");
  const names = ["DNS:buildkit.example", "IP:127.0.0.1"];
  const server = await createCertificate(folder, { name: "server", names, authority });
  client = await createCertificate(folder, { name: "client", names: ["DNS:client"], authority });
  stranger = await createCertificate(folder, {
    name: "stranger",
    names: ["DNS:client"],
    authority: strangersAuthority,
  });
  const { daemon, port } = await startTlsDaemon(join(folder, "daemon"), { ca: authority.cert, ...server });
  parts.use(daemon);
  address = `tcp://127.0.0.1:${port}`;
});

afterAll(() => parts.disposeAsync());

function files(change: TlsFiles = {}): TlsFiles {
  return { ca: authority.cert, ...client, ...change };
}

function buildOver(tls: TlsFiles | undefined) {
  const context = createMemoryContext({ Dockerfile: "FROM busybox\nCOPY a /\nRUN cat /a\n", a: "over TLS" });
  const buildkit = createBuildkit({ address, tls, log });
  return buildkit.build({ context }, { signal, onEvent: () => undefined }).finally(() => buildkit.close());
}

test.for<[string, () => TlsFiles]>([
  ["for the address", () => files()],
  ["for the server name that is set", () => files({ serverName: "buildkit.example" })],
])("a build over TLS with certificates on both sides, %s", async ([, tls]) => {
  await expect(buildOver(tls())).resolves.toMatchObject({ digest: undefined });
});

test("daemons that are found by a name show certificates for that name", async () => {
  const { port } = new URL(address);
  const only = await createCertificate(folder, { name: "named", names: ["DNS:buildkit.example"], authority });
  const { daemon, port: namedPort } = await startTlsDaemon(join(folder, "named"), { ca: authority.cert, ...only });
  parts.use(daemon);
  const buildOver = async (serverName: string | undefined, { at = namedPort, name = "buildkit.example" } = {}) => {
    // As the settings give it: a name that is not set is there, and undefined.
    const tls = { ...files(), serverName };
    const addresses = [`tcp://${name}:${at}`];
    const pool = createBuildkitPool({ addresses, lookUp: async () => ["127.0.0.1"], tls, slots: 1, log });
    const context = createMemoryContext({ Dockerfile: "FROM scratch\n" });
    return pool.build({ context }, { signal, onEvent: () => undefined }).finally(() => pool.close());
  };
  await expect(buildOver(undefined)).resolves.toMatchObject({ digest: undefined });
  await expect(buildOver("buildkit.example", { name: "other.example" })).resolves.toMatchObject({ digest: undefined });
  await expect(buildOver(undefined, { at: Number(port), name: "other.example" })).rejects.toMatchObject({
    code: "buildkit_unreachable",
    message: expect.stringContaining("other.example"),
  });
});

test("a real daemon that speaks TLS and is spoken to without is told as that", async () => {
  await expect(buildOver(undefined)).rejects.toMatchObject({
    code: "buildkit_refused",
    message: expect.stringContaining("speaks TLS"),
  });
});

test.for<[string, () => TlsFiles | undefined, string]>([
  ["signed by somebody else", () => files({ ca: strangersAuthority.cert }), "certificate"],
  ["signed by nobody the system knows", () => files({ ca: undefined }), "certificate"],
  ["for another name", () => files({ serverName: "other.example" }), "other.example"],
  ["without a certificate of ours", () => ({ ca: authority.cert }), ""],
  ["with a certificate of ours that it does not know", () => files(stranger), ""],
])("a daemon that speaks TLS is told as unreachable, and why: %s", async ([, tls, why]) => {
  await expect(buildOver(tls())).rejects.toMatchObject({
    code: "buildkit_unreachable",
    message: expect.stringContaining(why),
  });
});

test.for<[string, () => TlsFiles]>([
  ["a certificate without its key", () => files({ key: undefined })],
  ["a file that is not there", () => files({ ca: join(folder, "missing.pem") })],
  ["a file that is no certificate", () => files({ ca: client.key, cert: client.key })],
  ["a key of another certificate", () => files({ key: stranger.key })],
])("a mistake in the settings is told: %s", async ([, tls]) => {
  await expect(async () => buildOver(tls())).rejects.toMatchObject({
    code: "setting_invalid",
    fix: expect.stringContaining("buildkit_tls_ca"),
  });
});

test("certificates that are replaced are used from the next build on; half a replacement does no harm", async () => {
  const own = { cert: join(folder, "own.pem"), key: join(folder, "own.key") };
  const replace = async (pair: Partial<Pair>) => {
    for (const part of ["cert", "key"] as const) {
      if (pair[part] === undefined) continue;
      await rm(own[part], { force: true });
      await copyFile(pair[part], own[part]);
    }
  };
  await replace(client);
  const context = createMemoryContext({ Dockerfile: "FROM scratch\n" });
  const buildkit = createBuildkit({ address, tls: files(own), log });
  const build = () => buildkit.build({ context }, { signal, onEvent: () => undefined });
  await build();
  await replace({ cert: stranger.cert });
  await build();
  await replace({ key: stranger.key });
  await expect(build()).rejects.toMatchObject({ code: "buildkit_unreachable" });
  await replace(client);
  await build();
  buildkit.close();
});
