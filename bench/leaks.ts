import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createBuildkit } from "../src/buildkit/client.ts";
import { createLog } from "../src/log.ts";
import { countHeld, createLeakBuilds } from "../test/buildkit/leak-builds.ts";
import { type Spread, spreadOf } from "./alternate.ts";
import { startRealParts } from "./real-parts.ts";
import type { Bench, Row } from "./result.ts";

const builds = 10_000;
/** Until then code is still being compiled and tables grow to the size that they keep. */
const warmUps = 1000;
const atOnce = 4;
const tellEvery = 500;
const settleMs = 2000;
/** A folder that takes a cache keeps what earlier builds put there, and the daemon dates a layer that it made anew. */
const cacheBlob = /^cache\/blobs\/sha256\/[0-9a-f]{64}$/;

/**
 * What may be more afterwards. The heap is looked at when all garbage is gone: 200 bytes that each build left would be
 * a tenth more. What is resident also has garbage, and the holes that malloc keeps for later: those grow for some
 * thousands of builds, while what malloc has given out stays the same (23 MB by mallinfo2, after 500 builds and after
 * 4000).
 */
const bars: Readonly<Record<string, number>> = { heap: 1.1, resident: 1.5 };

/** Ten thousand builds in one process: what it holds after them beside what it held after the first thousand. */
export const leaks: Bench = {
  about: `what ${builds} builds in one process leave behind`,
  async run({ tell, signal }) {
    await using parts = await startRealParts();
    const folder = join(parts.folder, "outputs");
    await mkdir(folder);
    const client = createBuildkit({ address: parts.buildkit, log: createLog("silent") });
    try {
      const { run } = createLeakBuilds(client, folder);
      const runAll = async (from: number, to: number) => {
        for (let number = from; number < to; number += atOnce) {
          signal.throwIfAborted();
          await Promise.all(Array.from({ length: atOnce }, (_, place) => run(number + place)));
          if ((number + atOnce) % tellEvery === 0) tell(progressLine(number + atOnce));
        }
        return await measure(folder, signal);
      };
      const before = await runAll(0, warmUps);
      const after = await runAll(warmUps, warmUps + builds);
      return Object.keys(after).map((what) => rowOf(what, after[what] ?? 0, before[what] ?? 0));
    } finally {
      client.close();
    }
  },
};

function progressLine(number: number): string {
  const { heapUsed, rss } = process.memoryUsage();
  return `${number} of ${warmUps + builds} builds, heap ${megabytes(heapUsed)} MB, resident ${megabytes(rss)} MB`;
}

async function measure(folder: string, signal: AbortSignal): Promise<Readonly<Record<string, number>>> {
  await sleep(settleMs, undefined, { signal });
  collectGarbage();
  const written = (await readdir(folder, { recursive: true })).filter((name) => !cacheBlob.test(name));
  const { heapUsed, rss } = process.memoryUsage();
  return {
    ...countHeld(),
    "files written": written.length,
    heap: heapUsed / 1e6,
    resident: rss / 1e6,
  };
}

/** Has V8 look for everything that nobody holds. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  collect();
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

/** Ours is afterwards, the peer before. */
function rowOf(what: string, after: number, before: number): Row {
  const one = (value: number): Spread => spreadOf([value]);
  const ratio = after / before;
  const bar = bars[what] ?? 1;
  return {
    what,
    ours: one(after),
    peer: one(before),
    unit: what in bars ? "MB" : "",
    ratio,
    bar,
    holds: ratio <= bar,
  };
}
