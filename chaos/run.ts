import { cp, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createRandom } from "../test/random.ts";
import { type Caps, lookAtCaps } from "./caps.ts";
import { type Installation, startInstallation } from "./installation.ts";
import { judgeLeftovers } from "./leftovers.ts";
import { type ChaosPush, createPusher } from "./pushes.ts";
import { makeTrouble, type Trouble } from "./trouble.ts";
import { judge, readRuns, unsettled } from "./verdict.ts";

/*
 * Hits a whole installation for some minutes: pushes of thirty owners come in at random, twice, late, or not at all,
 * while server, workers, PostgreSQL and buildkitd are killed and GitHub fails. Then everything is left in peace, and
 * has to come right by itself: see verdict.ts for what that means. A seed draws the same pushes and the same trouble
 * again; when they meet is the machine's affair.
 */

const help = `npm run chaos -- [--minutes N] [--seed N] [--keep]

  --minutes  how long pushes and trouble last (default 20)
  --seed     draws of an earlier run (default: new ones, printed)
  --keep     leave the logs of all processes behind in any case, and say where

Where something is wrong they stay behind without being asked.`;

const pushEveryMs = 900;
const troubleEveryMs = 5_000;
const lookEveryMs = 150;
const tellEveryMs = 15_000;
/** How long everything may take to come right on a slow machine. It is a limit against waiting for ever, no promise. */
const peaceLimitMs = 10 * 60_000;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "20" },
      seed: { type: "string" },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    say(help);
    return 0;
  }
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  say(`chaos for ${values.minutes} minutes, seed ${seed}`);
  await using installation = await startInstallation({ tell: say });
  process.once("SIGINT", async () => {
    await installation[Symbol.asyncDispose]();
    process.exit(130);
  });
  const faults = await run(installation, { seed, minutes: Number(values.minutes) });
  if (values.keep || faults.length > 0) say(`logs: ${await keepLogs(installation)}`);
  if (faults.length === 0) {
    say("nothing lost, nothing doubled, nothing left behind");
    return 0;
  }
  say(`\n${faults.length} things are wrong (seed ${seed}):`);
  for (const fault of faults.slice(0, 40)) say(`  ${fault}`);
  return 1;
}

async function run(
  installation: Installation,
  { seed, minutes }: { seed: number; minutes: number },
): Promise<readonly string[]> {
  const random = createRandom(seed);
  const pusher = createPusher(installation.github, random);
  const trouble: Trouble = { kills: new Map(), githubFaults: 0 };
  const [ending, resting] = [new AbortController(), new AbortController()];
  const looking = lookAtCaps(installation, { signal: resting.signal });
  const troubling = makeTrouble(installation, {
    random: createRandom(seed + 1),
    everyMs: troubleEveryMs,
    trouble,
    signal: ending.signal,
  });
  const endMs = Date.now() + minutes * 60_000;
  while (Date.now() < endMs) {
    await pusher.pushOne();
    await sleep(pushEveryMs * 2 * random.next());
  }
  ending.abort();
  await troubling;
  say(`${pusher.pushes.length} pushes and ${kills(trouble)} kills later: waiting until everything has come right`);
  await pusher.settle();
  const open = await waitForPeace(installation, pusher.pushes);
  resting.abort();
  const caps = await looking;
  const wrong = await judge(installation, pusher.pushes);
  await printFigures(installation, { pushes: pusher.pushes, trouble, caps });
  const left = await judgeLeftovers(installation);
  return [...(open === "" ? [] : [`not at rest: ${open}`]), ...caps.faults, ...wrong, ...left];
}

/** @returns what is still open when patience ends; "" when nothing is */
async function waitForPeace(installation: Installation, pushes: readonly ChaosPush[]): Promise<string> {
  const endMs = Date.now() + peaceLimitMs;
  for (let tellAtMs = Date.now() + tellEveryMs; ; ) {
    const open = await unsettled(installation, pushes).catch((error: Error) => error.message);
    if (open === "" || Date.now() > endMs) return open;
    if (Date.now() > tellAtMs) {
      say(`  ${open}`);
      tellAtMs += tellEveryMs;
    }
    await sleep(lookEveryMs);
  }
}

async function printFigures(
  installation: Installation,
  { pushes, trouble, caps }: { pushes: readonly ChaosPush[]; trouble: Trouble; caps: Caps },
): Promise<void> {
  const runs = await readRuns(installation);
  const seconds = runs.flatMap((run) => run.seconds ?? []).toSorted((a, b) => a - b);
  const at = (share: number) => `${(seconds[Math.floor((seconds.length - 1) * share)] ?? 0).toFixed(1)} s`;
  const states = Map.groupBy(runs, ({ state }) => state);
  const ways = Map.groupBy(pushes, ({ way }) => way);
  const told = (groups: Map<string, readonly unknown[]>) =>
    [...groups].map(([name, list]) => `${list.length} ${name}`).join(", ");
  say(`  pushes     ${pushes.length}: ${told(ways)}`);
  say(`  runs       ${runs.length}: ${told(states)}`);
  say(`  kill -9    ${[...trouble.kills].map(([name, count]) => `${count} ${name}`).join(", ")}`);
  say(`  GitHub     ${trouble.githubFaults} faults planned, ${installation.github.checks.all.length} checks`);
  say(
    `  at once    ${caps.ofOwner} functions of an owner, ${caps.ofProcess} of a process, ${caps.ofDaemon} builds: ${caps.looks} looks`,
  );
  say(`  in the database to done: median ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`);
}

async function keepLogs({ folder }: Installation): Promise<string> {
  const kept = await mkdtemp(join(tmpdir(), "of-builder-chaos-logs-"));
  await cp(folder, kept, { recursive: true, filter: (path) => path === folder || path.endsWith(".log") });
  return kept;
}

function kills({ kills: counts }: Trouble): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

function say(text: string): void {
  console.log(text);
}
