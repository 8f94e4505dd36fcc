import { setTimeout as sleep } from "node:timers/promises";
import type { PlannedFault } from "../test/github-server/faults.ts";
import type { Random } from "../test/random.ts";
import type { Installation } from "./installation.ts";

/** How GitHub and its git fail: by calls that end without an answer, amid one, or with an error. */
const faults: readonly PlannedFault[] = [
  { fault: { kind: "cut" }, times: 3 },
  { fault: { kind: "lost-answer" }, matching: "check-runs", times: 2 },
  { fault: { kind: "status", status: 502 }, times: 3 },
  { fault: { kind: "secondary-limit", retryAfterSeconds: 2 }, matching: "check-runs" },
  { way: "git", fault: { kind: "cut" }, times: 2 },
  { way: "git", fault: { kind: "lost-answer" }, matching: "git-upload-pack", times: 2 },
  { way: "git", fault: { kind: "status", status: 502 }, times: 2 },
];

/** What was done to an installation. */
export interface Trouble {
  /** kill -9, by what was killed. */
  readonly kills: Map<string, number>;
  githubFaults: number;
}

/** Kills something, or lets GitHub fail, every few seconds until told to end. Each comes back before the next falls. */
export async function makeTrouble(
  { victims, github }: Installation,
  { random, everyMs, trouble, signal }: { random: Random; everyMs: number; trouble: Trouble; signal: AbortSignal },
): Promise<void> {
  const names = Object.keys(victims);
  while (!signal.aborted) {
    await sleep(everyMs * (0.5 + random.next()), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    if (random.percent(40)) {
      github.failNext(random.pick(faults));
      trouble.githubFaults += 1;
      continue;
    }
    const name = random.pick(names);
    await victims[name]?.();
    trouble.kills.set(name, (trouble.kills.get(name) ?? 0) + 1);
  }
}
