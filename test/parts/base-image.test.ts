import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { expect, inject, test } from "vitest";
import { pushBaseImage } from "../../src/parts/base-image.ts";
import { machineOf } from "../../src/parts/elf.ts";
import { findProgram } from "../../src/parts/find-program.ts";
import { startRegistry } from "../../src/parts/registry-server.ts";
import { type TarEntry, writeTar } from "../../src/parts/tar.ts";
import { log, makeFolder } from "./scratch.ts";

const run = promisify(execFile);
const signal = AbortSignal.timeout(110_000);
const path = process.env.PATH ?? "";
const tools = [resolve(".tools/bin")];
const busybox = (await findProgram("busybox", { path })) ?? "";

async function manifestOf(registry: string): Promise<{ digest: string | null; layer: string }> {
  const answer = await fetch(`http://${registry}/v2/library/busybox/manifests/latest`, {
    headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
  });
  const { layers } = (await answer.json()) as { layers: { digest: string }[] };
  return { digest: answer.headers.get("docker-content-digest"), layer: layers[0]?.digest ?? "" };
}

test("equal busyboxes give equal images", async () => {
  await using scratch = await makeFolder();
  const binary = (await findProgram("registry", { path, first: tools })) ?? "";
  await using registry = await startRegistry({ binary, folder: scratch.folder, log, signal });
  expect(await pushBaseImage({ registry: registry.host, busybox, signal })).toBe("pushed");
  expect(await manifestOf(registry.host)).toEqual(await manifestOf(inject("registry")));
});

test("the layer is what tar understands: root's files of 1970, a /tmp for all, a link for each applet", async () => {
  await using scratch = await makeFolder();
  const registry = inject("registry");
  const { layer } = await manifestOf(registry);
  const blob = await fetch(`http://${registry}/v2/library/busybox/blobs/${layer}`);
  const tar = gunzipSync(Buffer.from(await blob.arrayBuffer()));
  const listing = await listTar(tar, scratch.folder);
  expect(listing).toMatch(/^drwxrwxrwt 0\/0 +0 1970-01-01 00:00 tmp\/$/m);
  expect(listing).toMatch(/^-rwxr-xr-x 0\/0 +[0-9]{6,} 1970-01-01 00:00 bin\/busybox$/m);
  expect(listing).toMatch(/ bin\/sh -> busybox$/m);
  expect(listing).toMatch(/ bin\/httpd -> busybox$/m);
  expect(listing).toMatch(/ etc\/passwd$/m);
});

async function listTar(tar: Buffer, folder: string): Promise<string> {
  const child = run("tar", ["--numeric-owner", "-tvf", "-"], { cwd: folder, env: { ...process.env, TZ: "UTC" } });
  child.child.stdin?.end(tar);
  return (await child).stdout;
}

test("a program that needs libraries is refused as a base image", async () => {
  await using scratch = await makeFolder();
  const binary = (await findProgram("registry", { path, first: tools })) ?? "";
  await using registry = await startRegistry({ binary, folder: scratch.folder, log, signal });
  const error = { code: "tool_missing", message: expect.stringContaining("expected a static program") };
  await expect(pushBaseImage({ registry: registry.host, busybox: process.execPath, signal })).rejects.toMatchObject(
    error,
  );
});

test("what a program is made for is read from its header", async () => {
  const architecture = { x64: "amd64", arm64: "arm64" }[process.arch as "x64"];
  expect(machineOf(await readFile(busybox))).toEqual({ architecture, isStatic: true });
  expect(machineOf(await readFile(process.execPath))).toEqual({ architecture, isStatic: false });
  expect(machineOf(Buffer.from("#!/bin/sh\n"))).toBeUndefined();
  expect(machineOf(Buffer.alloc(0))).toBeUndefined();
  expect(machineOf(Buffer.concat([Buffer.from("7f454c460201", "hex"), Buffer.alloc(64, 0xff)]))).toBeUndefined();
});

test("a path that a plain header cannot hold is refused", () => {
  const entry: TarEntry = { path: "x".repeat(101), mode: 0o644, kind: "file", bytes: Buffer.of() };
  expect(() => writeTar([entry])).toThrow("path too long");
});
