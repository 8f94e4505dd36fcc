import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { spreadOf } from "./alternate.ts";
import { writeBenchArchive } from "./build-archives.ts";
import type { BuildServer } from "./build-server.ts";
import type { RealParts } from "./real-parts.ts";
import type { Row } from "./result.ts";

const clients = 50;
const buildsEach = 20;
const bars = { p99: 3, megabytes: 250 };

/**
 * Many clients at once, each with an archive of its own that was built before, one build after the other.
 * @throws Error with the first answer that is no success
 */
export async function measureCrowd({
  parts,
  server,
  tell,
  signal,
}: {
  parts: RealParts;
  server: BuildServer;
  tell(text: string): void;
  signal: AbortSignal;
}): Promise<readonly Row[]> {
  const bodies: Buffer[] = [];
  for (let at = 0; at < clients; at += 1) {
    const file = join(parts.folder, "crowd.tar");
    const image = `${parts.registry}/bench/crowd-${at}:latest`;
    await writeBenchArchive(
      file,
      { dockerfile: "FROM busybox\nCOPY data /data\n", image, count: 3, bytes: 1000 },
      signal,
    );
    const body = await readFile(file);
    bodies.push(body);
    await buildOnce(server, body, signal);
  }
  tell(`${clients} clients × ${buildsEach} cached builds`);
  const seconds: number[] = [];
  await Promise.all(
    bodies.map(async (body) => {
      for (let build = 0; build < buildsEach; build += 1) seconds.push(await buildOnce(server, body, signal));
    }),
  );
  const sorted = seconds.toSorted((a, b) => a - b);
  const p50 = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN;
  const megabytes = await server.peakMegabytes();
  const what = `${clients} clients × ${buildsEach} cached builds`;
  return [
    rowOf(`${what}: p99 beside p50`, [p99, p50], { unit: "s", bar: bars.p99 }),
    rowOf("the same: peak RSS beside its bar", [megabytes, bars.megabytes], { unit: "MB", bar: 1 }),
  ];
}

async function buildOnce({ url }: BuildServer, body: Buffer, signal: AbortSignal): Promise<number> {
  const startedAt = performance.now();
  const headers = { accept: "application/x-ndjson" };
  const response = await fetch(`${url}/build`, { method: "POST", headers, body: new Uint8Array(body), signal });
  const text = await response.text();
  if (!text.trimEnd().split("\n").at(-1)?.includes('"status":"success"')) {
    throw new Error(`expected a success, got ${response.status}: ${text.slice(-1000)}`);
  }
  return (performance.now() - startedAt) / 1000;
}

function rowOf(
  what: string,
  [ours, peer]: readonly [number, number],
  { unit, bar }: { unit: string; bar: number },
): Row {
  const ratio = ours / peer;
  return { what, ours: spreadOf([ours]), peer: spreadOf([peer]), unit, ratio, bar, holds: ratio <= bar };
}
