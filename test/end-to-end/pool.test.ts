import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Buildkitd } from "../../src/parts/buildkitd.ts";
import { killDaemon, startDaemon } from "../buildkit/daemons.ts";
import { createScratch } from "../database/scratch.ts";
import { createInstallation, type Installation, owner, type Serving, stackOf } from "./serving.ts";

const parts = new AsyncDisposableStack();
let daemons: readonly Buildkitd[] = [];
let installation: Installation;
let serving: Serving;

beforeAll(async () => {
  const { path } = parts.use(await createScratch());
  daemons = await Promise.all(["one", "other"].map((name) => startDaemon(join(path, name))));
  for (const daemon of daemons) parts.use(daemon);
  const addresses = daemons.map(({ address }) => address).join(",");
  installation = parts.use(await createInstallation({ BUILDKIT_HOST: addresses, buildkit_slots: "3" }));
  serving = await installation.start();
});
afterAll(() => parts.disposeAsync());

/** A place that steps of a build ask before they go on: the first is kept waiting, the others may. */
async function startGate() {
  const asked = Promise.withResolvers<void>();
  let held: ServerResponse | undefined;
  const server = createServer((_request, response) => {
    if (held !== undefined) return void response.end("go on\n");
    held = response;
    asked.resolve();
  });
  await new Promise<void>((settle) => server.listen(0, "127.0.0.1", settle));
  parts.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, asked: asked.promise };
}

/** The daemon's numbers as Prometheus reads them: by address. */
async function metric(name: string): Promise<Readonly<Record<string, number>>> {
  const answer = await fetch(`${serving.address}/metrics`);
  expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=/);
  const lines = (await answer.text()).matchAll(new RegExp(`^of_builder_buildkit_${name}{daemon="(.*)"} (.*)$`, "gm"));
  return Object.fromEntries([...lines].map(([, address = "", value]) => [address, Number(value)]));
}

test("a push is built although its BuildKit dies half-way, and metrics tell of it", async () => {
  const gate = await startGate();
  const dockerfile = `FROM busybox\nRUN wget -qO- http://127.0.0.1:${gate.port}/\n`;
  const files = stackOf({ one: dockerfile });
  const { sha } = await installation.github.createRepository(owner, "survivor", { files, branch: "main" });
  await installation.push(serving, { name: "survivor", sha });
  await gate.asked;
  const running = await metric("running");
  const killed = daemons.find(({ address }) => running[address] === 1);
  expect(Object.keys(running).toSorted()).toEqual(daemons.map(({ address }) => address).toSorted());
  if (killed) killDaemon(killed);
  expect((await installation.ended(sha)).one).toMatch(/^success: /);
  await serving.logged("a build is run again on another BuildKit");
  const left = daemons.find((daemon) => daemon !== killed)?.address ?? "";
  expect(await metric("builds_total")).toMatchObject({ [left]: 1 });
  expect(await metric("lost_total")).toMatchObject({ [killed?.address ?? ""]: 1, [left]: 0 });
  expect(await metric("healthy")).toMatchObject({ [killed?.address ?? ""]: 0, [left]: 1 });
  expect(await metric("slots")).toMatchObject({ [left]: 3 });
  const ready = await fetch(`${serving.address}/ready`);
  expect(ready.status).toBe(200);
});
