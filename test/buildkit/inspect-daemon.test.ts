import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { join, resolve } from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";
import { inspectDaemon } from "../../src/buildkit/inspect-daemon.ts";
import { findProgram } from "../../src/parts/find-program.ts";
import { startDaemon } from "./daemons.ts";
import { createScratch } from "./scratch-folder.ts";

const { signal } = new AbortController();

/** A way to the suite's daemon that so many connections may take. */
async function startWay(connections: number): Promise<string> {
  let left = connections;
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    if (left-- <= 0) return socket.destroy();
    const onward = connect(inject("buildkit").replace(/^unix:\/\//, "")).on("error", () => socket.destroy());
    return socket.pipe(onward).pipe(socket);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void server.close());
  return `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("a daemon tells what it is, and which entitlements it grants is found out", async () => {
  const facts = await inspectDaemon(await startWay(Number.POSITIVE_INFINITY), { signal });
  expect(facts).toMatchObject({ version: expect.stringMatching(/^v\d/), entitlements: [] });
});

test("what a daemon grants is found", async () => {
  const folder = await createScratch();
  const binary = await findProgram("buildkitd", { path: process.env.PATH ?? "", first: [resolve(".tools/bin")] });
  const script = join(folder, "buildkitd.sh");
  await writeFile(script, `#!/bin/sh\nexec "${binary}" "$@" --allow-insecure-entitlement network.host\n`, {
    mode: 0o755,
  });
  await using daemon = await startDaemon(join(folder, "daemon"), { binary: script });
  expect((await inspectDaemon(daemon.address, { signal })).entitlements).toEqual(["network.host"]);
});

test("a daemon that is lost while it is asked has granted nothing", async () => {
  // One is for its version, one for its workers.
  await expect(inspectDaemon(await startWay(2), { signal })).rejects.toMatchObject({ code: "buildkit_unreachable" });
});
