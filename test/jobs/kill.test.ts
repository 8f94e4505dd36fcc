import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, describe, expect, inject, it } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { startPostgres } from "../../src/database/embedded-postgres.ts";
import { deliver } from "../database/runs.ts";
import { ask, createScratch, createTestDatabase, eventually, postmasterOf, quiet } from "../database/scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const scratch = parts.use(await createScratch());

const outcome = { built: ["digest of a", "digest of b"], end: "reported" };
const ended = `${JSON.stringify({ state: "ended", outcome })}\n`;
const steps = ["plan", ...["a", "b"].flatMap((name) => [`${name} pending`, `${name} build`, `${name} success`])];

describe("a story whose teller is killed", () => {
  it("before and after the effect of every step in turn, ends; what was remembered is not done again", async () => {
    const { url } = parts.use(await createTestDatabase(inject("database")));
    const folder = join(scratch.path, "every-step");
    await mkdir(folder);

    const teller = { url, folder, executor: "local", mode: "kill" } as const;
    const first = start(teller);
    // The queue's tables are there once a teller lives.
    await eventually(() => store(url).catch(() => undefined));
    let last = await endOf(first);
    let kills = 0;
    for (; last.code !== 0; kills++) {
      expect(last.signal ?? last).toBe("SIGKILL");
      last = await tell(teller);
    }

    expect(last.printed).toBe(ended);
    const effects = await effectsOf(folder);
    const points = (await readdir(folder)).filter((name) => name.startsWith("killed "));
    expect(points).toHaveLength(2 * (steps.length + 1));
    expect(kills).toBe(points.length);
    expect(new Set(effects)).toEqual(new Set([...steps, "report"]));
    expect(stepsDoneAgainAfterTheNext(effects)).toEqual([]);
  });

  it("for good, is taken over by another executor", async () => {
    const { url } = parts.use(await createTestDatabase(inject("database")));
    const folder = join(scratch.path, "taken-over");
    await mkdir(folder);
    const dying = start({ url, folder, executor: "dying", mode: "hold" });
    await eventually(() => store(url).catch(() => undefined));
    await eventually(async () => (await effectsOf(folder)).includes("hold"));
    dying.kill("SIGKILL");
    await once(dying, "exit");
    await writeFile(join(folder, "release"), "");

    const { printed } = await tell({ url, folder, executor: "heir", mode: "hold" });
    expect(printed).toBe(ended);
    const effects = await effectsOf(folder);
    expect(effects.filter((name) => name !== "hold").sort()).toEqual([...steps, "report"].sort());
  });
});

describe("a story whose database is killed", () => {
  it("ends after the database has recovered, with nothing done twice that was remembered", async () => {
    const home = join(scratch.path, "postgres");
    const server = parts.use(await startPostgres({ folder: home, log: quiet }));
    const folder = join(scratch.path, "database-killed");
    await mkdir(folder);
    const teller = start({ url: server.url, folder, executor: "local", mode: "hold" });
    const end = endOf(teller);
    await eventually(() => store(server.url).catch(() => undefined));
    await eventually(async () => (await effectsOf(folder)).includes("hold"));

    const killed = await postmasterOf(home);
    process.kill(killed, "SIGKILL");
    await eventually(() => ask(server.url, "select 1").catch(() => undefined));
    expect(await postmasterOf(home)).not.toBe(killed);
    await writeFile(join(folder, "release"), "");

    expect(await end).toEqual({ printed: ended, code: 0, signal: null });
    expect((await effectsOf(folder)).sort()).toEqual([...steps, "hold", "report"].sort());
  });
});

const story = "11111111-2222-4333-8444-555555555555";

async function store(url: string): Promise<string> {
  await using database = await openDatabase(url, { log: quiet });
  return await deliver(database, { delivery: story });
}

interface Teller {
  readonly url: string;
  readonly folder: string;
  readonly executor: string;
  readonly mode: "kill" | "hold";
}

function start({ url, folder, executor, mode }: Teller): ChildProcess {
  const script = join(import.meta.dirname, "storyteller.ts");
  const child = spawn(process.execPath, [script, url, executor, folder, story, mode], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  parts.defer(() => void child.kill("SIGKILL"));
  return child;
}

function tell(teller: Teller): Promise<End> {
  return endOf(start(teller));
}

interface End {
  readonly printed: string;
  readonly code: number | null;
  readonly signal: string | null;
}

async function endOf(child: ChildProcess): Promise<End> {
  const exit = once(child, "exit");
  const printed = await text(child.stdout as NodeJS.ReadableStream);
  const [code, signal] = await exit;
  return { printed, code, signal };
}

async function effectsOf(folder: string): Promise<string[]> {
  const lines = await readFile(join(folder, "effects"), "utf8").catch(() => "");
  return lines.split("\n").filter((line) => line !== "");
}

/** A step is remembered when the next of its story begins: from then on it must not show again. */
function stepsDoneAgainAfterTheNext(effects: readonly string[]): string[] {
  const follows: [string, string][] = ["a", "b"].flatMap((name): [string, string][] => [
    ["plan", `${name} pending`],
    [`${name} pending`, `${name} build`],
    [`${name} build`, `${name} success`],
    [`${name} success`, "report"],
  ]);
  return follows
    .filter(([step, next]) => effects.lastIndexOf(step) > effects.indexOf(next))
    .map(([step, next]) => `${step} again after ${next}`);
}
