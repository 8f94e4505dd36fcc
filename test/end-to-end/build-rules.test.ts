import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { createInstallation, digestOf, type Installation, owner, type Serving, stackOf } from "./serving.ts";

let installation: Installation;
let serving: Serving;

beforeAll(async () => {
  installation = await createInstallation({ source_date_epoch: "commit", build_idle_limit_ms: "5000" });
  serving = await installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

async function pushed(name: string, dockerfile: string) {
  const { sha } = await installation.github.createRepository(owner, name, {
    files: stackOf({ one: dockerfile }),
    branch: "main",
  });
  await installation.push(serving, { name, sha, branch: "main" });
  return { sha, ended: await installation.ended(sha) };
}

interface ImageConfig {
  readonly created: string;
  readonly history: readonly { readonly created: string }[];
}

async function readConfig(repository: string, tag: string): Promise<ImageConfig> {
  const digest = await digestOf(repository, tag);
  const headers = { accept: "application/vnd.oci.image.manifest.v1+json" };
  const root = `http://${inject("registry")}/v2/${repository}`;
  const read = async (path: string) => (await fetch(`${root}/${path}`, { headers })).json();
  const { config } = (await read(`manifests/${digest}`)) as { config: { digest: string } };
  return (await read(`blobs/${config.digest}`)) as ImageConfig;
}

test("a pushed image has its commit's time for its own where the setting says so", async () => {
  const { sha, ended } = await pushed("dated", `FROM scratch\nLABEL a=${Math.random()}\nCOPY . /\n`);
  expect(ended.one).toMatch(/^success: /);
  const { created, history } = await readConfig("alice/dated-one", `1-main-${sha.slice(0, 7)}`);
  // A commit's time is in whole seconds; that of a build is not.
  expect(created).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  expect(new Set(history.map((step) => step.created))).toEqual(new Set([created]));
});

test("D10 a pushed build that hangs is ended, and its status says why", async () => {
  const { ended } = await pushed("hanging", `FROM busybox\nRUN echo ${Math.random()}; sleep 100000\n`);
  expect(ended.one).toMatch(/^failure: .*the build told nothing for 5 s/);
});

test("D1 D2 D4 what a pushed Dockerfile asks for beyond its context it does not get", async () => {
  const lines = [
    "# syntax=registry.example/evil/frontend:1",
    "FROM busybox",
    "RUN --mount=type=secret,id=private-key test ! -e /run/secrets/private-key",
    'RUN --mount=type=ssh test -z "$(ls -A /run/buildkit 2>/dev/null)"',
    "RUN --network=host true",
  ];
  const { ended } = await pushed("asking", `${lines.join("\n")}\n`);
  expect(ended.one).toMatch(/^failure: one\/Dockerfile:5|network\.host/);
});
