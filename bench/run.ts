import { buildApi } from "./build-api.ts";
import { buildMemory } from "./build-memory.ts";
import { buildkit } from "./buildkit.ts";
import { contexts } from "./contexts.ts";
import { intake } from "./intake.ts";
import { leaks } from "./leaks.ts";
import { push } from "./push.ts";
import { type Bench, drawTable, writeResult } from "./result.ts";

/** Every bench there is, by the name that it is asked for. */
const benches: Readonly<Record<string, Bench>> = {
  "build-api": buildApi,
  "build-memory": buildMemory,
  buildkit,
  contexts,
  intake,
  leaks,
  push,
};

process.exitCode = await main(process.argv.slice(2));

/** Runs `bench NAME`. @returns 0 every row holds, 1 one missed its bar, 2 there is no such bench, 130 stopped */
async function main([name = "", ...rest]: readonly string[]): Promise<number> {
  const bench = Object.hasOwn(benches, name) ? benches[name] : undefined;
  if (!bench || rest.length > 0) {
    process.stderr.write(`usage: npm run bench -- NAME\n\n${listBenches()}`);
    return 2;
  }
  const stop = new AbortController();
  const onSignal = () => stop.abort(new Error("stopped by a signal"));
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    const rows = await bench.run({ tell: (text) => process.stderr.write(`${text}\n`), signal: stop.signal });
    process.stdout.write(drawTable(rows));
    await writeResult(name, rows, { folder: new URL("results/", import.meta.url), now: new Date() });
    return rows.every(({ holds }) => holds) ? 0 : 1;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    process.stderr.write("stopped: nothing is written\n");
    return 130;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

function listBenches(): string {
  const width = Math.max(...Object.keys(benches).map((name) => name.length));
  return Object.entries(benches)
    .map(([name, { about }]) => `  ${name.padEnd(width)}  ${about}\n`)
    .join("");
}
