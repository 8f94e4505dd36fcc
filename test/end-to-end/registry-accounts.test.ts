import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { createBuildkit } from "../../src/buildkit/client.ts";
import type { BuildRequest } from "../../src/buildkit/solve-request.ts";
import { createPushTarget } from "../../src/compose/push-target.ts";
import { createRegistrySignIn } from "../../src/compose/registry-sign-in.ts";
import { createLog } from "../../src/log.ts";
import { createCredentials } from "../../src/registry/credentials.ts";
import { createPermit, openPermit } from "../../src/registry/permit.ts";
import { createMemoryContext } from "../buildkit/memory-context.ts";
import { account, startAuthRegistry } from "../registry/auth-registry.ts";
import { startTokenServer, type TokenServer } from "../registry/token-server.ts";

const parts = new AsyncDisposableStack();
const log = createLog("silent");
const signal = AbortSignal.timeout(110_000);
let folder = "";
let tokens: TokenServer;
/** By the way in. */
const hosts = { basic: "", token: "" };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "of-builder-accounts-"));
  parts.defer(() => rm(folder, { recursive: true, force: true }));
  tokens = parts.use(await startTokenServer(account));
  hosts.basic = parts.use(await startAuthRegistry(join(folder, "basic"))).host;
  hosts.token = parts.use(await startAuthRegistry(join(folder, "token"), tokens)).host;
  const secret = { auth: Buffer.from(`${account.username}:${account.password}`).toString("base64") };
  await storeConfig("account", secret);
  await storeConfig("identity", { identitytoken: account.identityToken });
  await storeConfig("wrong", { auth: Buffer.from("alex:wrong").toString("base64") });
  for (const host of Object.values(hosts)) await push(host, "team/base", {});
});

afterAll(() => parts.disposeAsync());

async function storeConfig(name: string, entry: object): Promise<void> {
  const auths = Object.fromEntries(Object.values(hosts).map((host) => [host, entry]));
  const config = join(folder, `config-${name}`);
  await mkdir(config);
  await writeFile(join(config, "config.json"), JSON.stringify({ auths }));
}

interface Change {
  config?: string;
  patterns?: readonly string[];
  dockerfile?: string;
  /** As on one's own machine. */
  isOpen?: boolean;
  cacheTo?: NonNullable<BuildRequest["cacheTo"]>;
  /** Hears what the daemon is given instead of it. */
  onPassword?: () => void;
}

/** Builds an image and pushes it, as of-builder does. */
async function push(host: string, repository: string, change: Change) {
  const { config = "account", patterns = [], dockerfile = `FROM scratch\nCOPY a /${Math.random()}\n` } = change;
  const credentials = createCredentials({ folder: join(folder, `config-${config}`) });
  const target = createPushTarget({ setting: true, mirror: undefined, credentials });
  const image = `${host}/${repository}:1`;
  const permitFor = (images: readonly string[]) => (change.isOpen ? openPermit : createPermit({ images, patterns }));
  const signIn = createRegistrySignIn({ credentials, target, permitFor })([image]);
  const buildkit = createBuildkit({ address: inject("buildkit"), log });
  try {
    return await buildkit.build(
      {
        context: createMemoryContext({ Dockerfile: dockerfile, a: String(Math.random()) }),
        image: { names: [image], push: true, insecure: true },
        credentials: async (name, options) => {
          const found = await signIn.credentials(name, options);
          if (found !== undefined) change.onPassword?.();
          return found;
        },
        tokens: signIn.tokens,
        ...(change.cacheTo && { cacheTo: change.cacheTo }),
      },
      { signal, onEvent: () => undefined },
    );
  } finally {
    buildkit.close();
  }
}

async function digestAt(image: string): Promise<string | undefined> {
  const credentials = createCredentials({ folder: join(folder, "config-account") });
  return createPushTarget({ setting: true, mirror: undefined, credentials }).readDigest(image, { signal });
}

test("a registry that knows only passwords is pushed to with the one of config.json", async () => {
  const { digest } = await push(hosts.basic, "team/one", {});
  expect(digest).toMatch(/^sha256:/);
  expect(await digestAt(`${hosts.basic}/team/one:1`)).toBe(digest);
});

test.for(["account", "identity"])(
  "a registry that wants tokens is pushed to without giving the daemon the password: %s",
  async (config) => {
    const passwords: string[] = [];
    const { digest } = await push(hosts.token, `team/${config}`, { config, onPassword: () => passwords.push(config) });
    expect(await digestAt(`${hosts.token}/team/${config}:1`)).toBe(digest);
    expect(passwords).toEqual([]);
    expect(tokens.requests).toContainEqual({ user: "alex", scopes: [`repository:team/${config}:pull,push`] });
  },
);

test("several builds at once at one registry all get in", async () => {
  const names = Array.from({ length: 6 }, (_, index) => `team/at-once-${index}`);
  const built = await Promise.all(names.map((name) => push(hosts.token, name, {})));
  expect(await Promise.all(names.map((name) => digestAt(`${hosts.token}/${name}:1`)))).toEqual(
    built.map(({ digest }) => digest),
  );
});

test.for(["basic", "token"] as const)("a wrong password is told as the registry's refusal: %s", async (kind) => {
  await expect(push(hosts[kind], "team/wrong", { config: "wrong" })).rejects.toMatchObject({ code: "registry_denied" });
});

test.for(["basic", "token"] as const)("without an account nothing is pushed: %s", async (kind) => {
  await expect(push(hosts[kind], "team/none", { config: "none" })).rejects.toMatchObject({ code: "registry_denied" });
});

test("D5 K3 a Dockerfile that names another repository of the registry gets it only where that is allowed", async () => {
  const dockerfile = `FROM ${hosts.token}/team/base:1\n`;
  await expect(push(hosts.token, "stranger/thief", { dockerfile })).rejects.toMatchObject({ code: "registry_denied" });
  const patterns = [`${hosts.token}/team/*`];
  await expect(push(hosts.token, "stranger/guest", { dockerfile, patterns })).resolves.toMatchObject({
    digest: expect.stringMatching(/^sha256:/),
  });
});

test("K3 what one build may pull is not there for another one, although the daemon has its token", async () => {
  const dockerfile = `FROM ${hosts.token}/team/base:1\nLABEL some=thing\n`;
  await push(hosts.token, "friend/one", { dockerfile, patterns: [`${hosts.token}/team/*`] });
  await expect(push(hosts.token, "stranger/two", { dockerfile })).rejects.toMatchObject({ code: "registry_denied" });
});

test("on one's own machine a build may have and leave behind what its account may, caches too", async () => {
  const dockerfile = `FROM ${hosts.token}/team/base:1\nCOPY a /at-home\n`;
  const cacheTo = [{ type: "registry", attrs: { ref: `${hosts.token}/caches/mine:1`, "registry.insecure": "true" } }];
  await push(hosts.token, "home/one", { dockerfile, isOpen: true, cacheTo });
  expect(await digestAt(`${hosts.token}/caches/mine:1`)).toMatch(/^sha256:/);
  await expect(push(hosts.token, "stranger/four", { cacheTo })).rejects.toMatchObject({ code: "registry_denied" });
});

test("what is open to all is pulled without showing the account", async () => {
  await push(hosts.token, "public/base", {});
  const before = tokens.requests.length;
  await push(hosts.token, "stranger/of-public", { dockerfile: `FROM ${hosts.token}/public/base:1\n` });
  const pulls = tokens.requests.slice(before).filter(({ scopes }) => scopes.includes("repository:public/base:pull"));
  expect(pulls.map(({ user }) => user)).toContain("");
  expect(pulls.map(({ user }) => user)).not.toContain("alex");
});

test("a password is kept back where there is nothing of the host's for this build", async () => {
  const passwords: string[] = [];
  const dockerfile = `FROM ${hosts.basic}/team/base:1\n`;
  const pushing = push(hosts.token, "stranger/three", { dockerfile, onPassword: () => passwords.push("shown") });
  await expect(pushing).rejects.toMatchObject({ code: "registry_denied" });
  expect(passwords).toEqual([]);
});
