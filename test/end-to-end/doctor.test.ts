import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";
import { startProxy } from "../buildkit/proxy.ts";
import { createScratch } from "../buildkit/scratch-folder.ts";
import { startAuthRegistry } from "../registry/auth-registry.ts";
import { startRegistryProxy } from "../registry/registry-proxy.ts";

const command = new URL("../../bin/of-builder.js", import.meta.url).pathname;

async function doctor(env: Record<string, string>): Promise<{ code: number; output: string }> {
  const folder = mkdtempSync(join(tmpdir(), "of-builder-doctor-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const surroundings = { PATH: process.env.PATH, HOME: folder, DOCKER_CONFIG: folder, data_path: folder };
  return new Promise((resolve) => {
    const options = { env: { ...surroundings, ...env }, cwd: folder };
    execFile(process.execPath, [command, "doctor"], options, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, output: stdout + stderr });
    });
  });
}

test("a daemon and a registry that are well are told with all that there is to know", async () => {
  const { code, output } = await doctor({ BUILDKIT_HOST: inject("buildkit"), push_repository_url: inject("registry") });
  expect(output).toMatch(/^✔ BuildKit at unix:/);
  expect(output).toMatch(/^ {2}version v\d+\.\d+\.\d+/m);
  expect(output).toMatch(/^ {2}platforms linux\//m);
  expect(output).toMatch(/^ {2}snapshotter \w+$/m);
  expect(output).toMatch(/^ {2}forgets \S/m);
  expect(output).toMatch(/^ {2}entitlements \S/m);
  expect(output).toMatch(/^[✔!] git \d+\.\d+/m);
  expect(output).toContain(`✔ a push from ${inject("buildkit")} to ${inject("registry")}`);
  expect(output).toMatch(/^ {2}pushed and read back over plain HTTP$/m);
  expect(output).toMatch(/^✔ the clock of registry 127\.0\.0\.1:\d+\n {2}differs by \d+\.\d s$/m);
  expect(output).toMatch(/^✔ the clock of .*\n {2}differs by \d+\.\d s$/m);
  expect(code).toBe(0);
});

test("each thing that is wrong is told with what to do, and the rest is looked at all the same", async () => {
  const addresses = `tcp://127.0.0.1:1,${inject("buildkit")}`;
  const { code, output } = await doctor({ BUILDKIT_HOST: addresses, push_repository_url: "127.0.0.1:1/team" });
  expect(output).toMatch(/^✖ BuildKit at tcp:\/\/127\.0\.0\.1:1\n {2}.*\n {2}→ .*start buildkitd/m);
  expect(output).toMatch(/^✔ BuildKit at unix:/m);
  expect(output).toMatch(/^✖ a push from unix:.* to 127\.0\.0\.1:1\/team\n {2}.*\n {2}→ Start the registry/m);
  expect(code).toBe(1);
});

test("without a registry the build is tried alone", async () => {
  const { code, output } = await doctor({ BUILDKIT_HOST: inject("buildkit") });
  expect(output).toMatch(/^✔ a build at unix:.*\n {2}→ Set push_repository_url/m);
  expect(code).toBe(0);
});

test("what a registry lets be deleted is gone after the trial", async () => {
  await using registry = await startRegistryProxy(inject("registry"));
  const { code, output } = await doctor({ BUILDKIT_HOST: inject("buildkit"), push_repository_url: registry.host });
  expect(output).toMatch(/^ {2}deleted again$/m);
  expect(code).toBe(0);
  const deleted = registry.asked.find((line) => /^DELETE .* 202$/.test(line))?.split(" ")[1] ?? "";
  expect(deleted).toMatch(/^\/v2\/of-builder-doctor\/manifests\/sha256:/);
  expect((await fetch(`http://${registry.host}${deleted}`)).status).toBe(404);
});

test("a registry that lets nothing be deleted keeps the trial, and that is no fault", async () => {
  await using registry = await startRegistryProxy(inject("registry"), {
    answer: ({ method }) =>
      method === "DELETE" ? { status: 405, body: '{"errors":[{"code":"UNSUPPORTED"}]}' } : undefined,
  });
  const { code, output } = await doctor({ BUILDKIT_HOST: inject("buildkit"), push_repository_url: registry.host });
  expect(output).toMatch(/^ {2}left there: the registry does not let 127.*of-builder-doctor:\w+ be deleted$/m);
  expect(code).toBe(0);
});

test.for([
  { what: "forbids pushes", answer: { status: 403, body: '{"errors":[{"code":"DENIED","message":"read only"}]}' } },
  { what: "knows nobody", answer: { status: 401, body: '{"errors":[{"code":"UNAUTHORIZED","message":"who?"}]}' } },
])("a registry that $what is told with what to do", async ({ answer }) => {
  await using registry = await startRegistryProxy(inject("registry"), {
    answer: ({ method }) => (method === "POST" ? answer : undefined),
  });
  const { code, output } = await doctor({ BUILDKIT_HOST: inject("buildkit"), push_repository_url: registry.host });
  expect(output).toMatch(/^✖ a push from unix:.*\n {2}the registry refuses: .*\n {2}→ .*(right|account|credential)/m);
  expect(code).toBe(1);
});

test("a registry that wants an account is told, and where accounts are looked for", async () => {
  await using registry = await startAuthRegistry(join(await createScratch(), "registry"));
  const { code, output } = await doctor({ BUILDKIT_HOST: inject("buildkit"), push_repository_url: registry.host });
  expect(output).toMatch(/^✖ a push from unix:.*\n {2}.*\n {2}→ .*config\.json/m);
  expect(code).toBe(1);
});

test("a registry whose clock goes wrong is told, ahead or behind", async () => {
  for (const [ms, how] of [
    [3_600_000, "ahead"],
    [-3_600_000, "behind"],
  ] as const) {
    const headers = () => ({ date: new Date(Date.now() + ms).toUTCString() });
    await using registry = await startRegistryProxy(inject("registry"), { headers });
    const { code, output } = await doctor({ BUILDKIT_HOST: inject("buildkit"), push_repository_url: registry.host });
    const told = new RegExp(
      `^✖ the clock of registry ${registry.host}\\n {2}is \\d+\\.\\d s ${how}\\n {2}→ .*NTP`,
      "m",
    );
    expect(output).toMatch(told);
    expect(code).toBe(1);
  }
});

test("a registry of each setting is looked at, once", async () => {
  await using mirror = await startRegistryProxy(inject("registry"));
  const { code, output } = await doctor({
    BUILDKIT_HOST: inject("buildkit"),
    push_repository_url: inject("registry"),
    repository_url: "127.0.0.1:1/team",
    docker_mirror: mirror.host,
  });
  expect(output).toMatch(/^✖ registry 127\.0\.0\.1:1\n {2}.*\n {2}→ Start the registry, or correct repository_url\.$/m);
  expect(output).toContain(`✔ the clock of registry ${mirror.host}`);
  expect(output.split("the clock of registry")).toHaveLength(3);
  expect(code).toBe(1);
});

test("each daemon of a name is looked at", async () => {
  await using one = await startProxy(inject("buildkit"));
  await using other = await startProxy(inject("buildkit"), { host: "127.0.0.2", port: one.port });
  const preload = join(await createScratch(), "names.mjs");
  await writeFile(
    preload,
    `import dns from "node:dns/promises";
import { syncBuiltinESMExports } from "node:module";
const { lookup } = dns;
const found = ["127.0.0.1", "127.0.0.2"].map((address) => ({ address, family: 4 }));
dns.lookup = async (host, options) => (host === "daemons.example" ? found : lookup(host, options));
syncBuiltinESMExports();
`,
  );
  const address = `tcp://daemons.example:${other.port}`;
  const { code, output } = await doctor({ BUILDKIT_HOST: address, NODE_OPTIONS: `--import=${preload}` });
  for (const host of ["127.0.0.1", "127.0.0.2"]) {
    expect(output).toContain(`✔ BuildKit at tcp://${host}:${one.port} (daemons.example)`);
    expect(output).toContain(`✔ a build at tcp://${host}:${one.port}`);
  }
  expect(code).toBe(0);
  const unknown = await doctor({ BUILDKIT_HOST: "tcp://daemons.invalid:1234" });
  expect(unknown.output).toMatch(/^✖ BuildKit at tcp:\/\/daemons\.invalid:1234\n/m);
  expect(unknown.code).toBe(1);
});

test("a daemon whose clock is not ours is told", async () => {
  const preload = join(await createScratch(), "late.mjs");
  await writeFile(
    preload,
    `const Real = Date;
globalThis.Date = class extends Real {
  static now() { return Real.now() - 60_000; }
  constructor(...given) { super(...(given.length > 0 ? given : [Real.now() - 60_000])); }
};
`,
  );
  const { code, output } = await doctor({ BUILDKIT_HOST: inject("buildkit"), NODE_OPTIONS: `--import=${preload}` });
  expect(output).toMatch(/^✖ the clock of unix:.*\n {2}is \d+\.\d s ahead\n {2}→ Let both machines keep time by NTP/m);
  expect(code).toBe(1);
});
