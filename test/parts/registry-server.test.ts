import { createServer } from "node:http";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { pushBaseImage } from "../../src/parts/base-image.ts";
import { findProgram } from "../../src/parts/find-program.ts";
import { startRegistry } from "../../src/parts/registry-server.ts";
import { isRunning, log, makeFolder } from "./scratch.ts";

const signal = AbortSignal.timeout(110_000);
const headers = { accept: "application/vnd.oci.image.manifest.v1+json" };
const path = process.env.PATH ?? "";
const binary = (await findProgram("registry", { path, first: [resolve(".tools/bin")] })) ?? "";
const busybox = (await findProgram("busybox", { path })) ?? "";

test("two registries run side by side, and nothing runs when they are stopped", async () => {
  await using scratch = await makeFolder();
  const start = (name: string) => startRegistry({ binary, folder: join(scratch.folder, name), log, signal });
  const [one, other] = await Promise.all([start("one"), start("other")]);
  expect(one.host).not.toBe(other.host);
  await pushBaseImage({ registry: one.host, busybox, signal });
  expect((await fetch(`http://${one.host}/v2/library/busybox/manifests/latest`, { headers })).status).toBe(200);
  expect((await fetch(`http://${other.host}/v2/library/busybox/manifests/latest`, { headers })).status).toBe(404);
  await Promise.all([one.stop(), other.stop()]);
  expect([isRunning(one.pid), isRunning(other.pid)]).toEqual([false, false]);
});

test("a registry keeps its images from one start to the next, and lets them be deleted", async () => {
  await using scratch = await makeFolder();
  const start = () => startRegistry({ binary, folder: scratch.folder, log, signal });
  const first = await start();
  expect(await pushBaseImage({ registry: first.host, busybox, signal })).toBe("pushed");
  await first.stop();
  await using second = await start();
  expect(await pushBaseImage({ registry: second.host, busybox, signal })).toBe("present");
  const manifests = `http://${second.host}/v2/library/busybox/manifests`;
  const digest = (await fetch(`${manifests}/latest`, { method: "HEAD", headers })).headers.get("docker-content-digest");
  expect((await fetch(`${manifests}/${digest}`, { method: "DELETE" })).status).toBe(202);
});

test("a port that somebody else has is told of, even when that one answers as a registry would", async () => {
  await using scratch = await makeFolder();
  await using other = createServer((_, response) => response.end("{}"));
  await new Promise<void>((settle) => other.listen(0, "127.0.0.1", settle));
  const address = other.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  const error = { code: "tool_missing", message: expect.stringContaining("address already in use") };
  await expect(startRegistry({ binary, folder: scratch.folder, port, log, signal })).rejects.toMatchObject(error);
  other.closeAllConnections();
});
