import { setTimeout as sleep } from "node:timers/promises";
import { createBuildkit } from "../src/buildkit/client.ts";
import { createLog } from "../src/log.ts";
import { countHeld, createLeakBuilds } from "../test/buildkit/leak-builds.ts";
import { type Spread, spreadOf } from "./alternate.ts";
import { startRealParts } from "./real-parts.ts";
import type { Bench, Row } from "./result.ts";

const builds = 10_000;
const warmUps = 200;
const atOnce = 4;
/** Memory has its ups and downs; a leak of one kilobyte a build would be ten megabytes more. */
const memoryBar = 1.25;

/** Ten thousand builds in one process: what it holds after them beside what it held after the first two hundred. */
export const leaks: Bench = {
  about: `what ${builds} builds in one process leave behind`,
  async run({ tell, signal }) {
    await using parts = await startRealParts();
    const client = createBuildkit({ address: parts.buildkit, log: createLog("silent") });
    try {
      const { run } = createLeakBuilds(client, parts.folder);
      const runAll = async (from: number, to: number) => {
        for (let number = from; number < to; number += atOnce) {
          signal.throwIfAborted();
          await Promise.all(Array.from({ length: atOnce }, (_, place) => run(number + place)));
          if (number % 1000 === 0) tell(`${number} builds`);
        }
        return await measure(signal);
      };
      const before = await runAll(0, warmUps);
      const after = await runAll(warmUps, warmUps + builds);
      return Object.keys(after).map((what) => rowOf(what, after[what] ?? 0, before[what] ?? 0));
    } finally {
      client.close();
    }
  },
};

async function measure(signal: AbortSignal): Promise<Readonly<Record<string, number>>> {
  await sleep(3000, undefined, { signal });
  return { ...countHeld(), "resident MB": process.memoryUsage().rss / 1e6 };
}

/** Ours is afterwards, the peer before. */
function rowOf(what: string, after: number, before: number): Row {
  const one = (value: number): Spread => spreadOf([value]);
  const ratio = after / before;
  const bar = what === "resident MB" ? memoryBar : 1;
  return { what, ours: one(after), peer: one(before), unit: "", ratio, bar, holds: ratio <= bar };
}
