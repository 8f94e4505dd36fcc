import { execFile } from "node:child_process";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { BuilderError } from "../errors.ts";
import type { Log } from "../log.ts";

const run = promisify(execFile);
const endLimitMs = 10_000;
const startFile = "started.json";

/** Who works in a folder. A process is known by its id and its start time: ids are used again. */
interface Start {
  readonly owner: ProcessId;
  readonly daemon: ProcessId;
  /** Goes with the daemon, and may lie elsewhere. */
  readonly socketFolder: string;
}

interface ProcessId {
  readonly pid: number;
  readonly startTime: string | undefined;
}

/** Notes who works in a folder, for the day it is killed and someone else has to clear up. */
export async function rememberStart(
  folder: string,
  { pid, socketFolder }: { pid: number; socketFolder: string },
): Promise<void> {
  const start: Start = { owner: await identify(process.pid), daemon: await identify(pid), socketFolder };
  await writeFile(join(folder, startFile), JSON.stringify(start));
}

/**
 * Ends the processes and undoes the mounts that a killed buildkitd left below its folder, so that the folder can be
 * used again or removed. Does nothing where there is no /proc.
 * @throws BuilderError `usage` when the folder belongs to another process that lives
 */
export async function clearLeftovers(folder: string, { log }: { log: Log }): Promise<void> {
  const start = await readStart(folder);
  if (start && start.owner.pid !== process.pid && (await isAlive(start.owner))) {
    const message = `"${folder}" is in use by process ${start.owner.pid}: expected a folder of this one's own`;
    throw new BuilderError("usage", message, { fix: "Stop that process, or choose another folder (--data)." });
  }
  if (start && (await isAlive(start.daemon))) {
    log.warn({ folder, pid: start.daemon.pid }, "ending the buildkitd of an earlier run");
    await endProcess(start.daemon, "SIGTERM");
  }
  for (const container of await containersOf(folder)) await endProcess(container, "SIGKILL");
  for (const mount of await mountsBelow(folder)) await run("umount", ["-l", mount]);
  if (start) await rm(start.socketFolder, { recursive: true, force: true });
  await rm(join(folder, startFile), { force: true });
}

/** Mount points below a folder, the deepest first. */
export async function mountsBelow(folder: string): Promise<string[]> {
  const table = await readFile("/proc/self/mountinfo", "utf8").catch(() => "");
  const points = table.split("\n").map((line) => unescapeMount(line.split(" ")[4] ?? ""));
  return points.filter((point) => point.startsWith(`${folder}/`)).sort((a, b) => b.length - a.length);
}

async function readStart(folder: string): Promise<Start | undefined> {
  const text = await readFile(join(folder, startFile), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Start;
  } catch {
    // Cut off by the end of the machine: nothing of that time runs any more.
    return undefined;
  }
}

/**
 * The first processes of build containers outlive a buildkitd that is killed, and hold its snapshots. They show by
 * their mount table (proc(5), mountinfo): the line of "/" names the snapshot folders, as `lowerdir=` of an overlay or
 * as the folder that is bound there.
 */
async function containersOf(folder: string): Promise<ProcessId[]> {
  const found: ProcessId[] = [];
  for (const name of await readdir("/proc").catch(() => [])) {
    if (!/^[0-9]+$/.test(name)) continue;
    const table = await readFile(`/proc/${name}/mountinfo`, "utf8").catch(() => "");
    const root = table.split("\n").find((line) => line.split(" ")[4] === "/") ?? "";
    if (unescapeMount(root).includes(`${folder}/state/`)) found.push(await identify(Number(name)));
  }
  return found;
}

/** A first process of a container does not feel SIGTERM unless it asked for it. */
async function endProcess(process: ProcessId, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  sendSignal(process.pid, signal);
  const until = Date.now() + endLimitMs;
  while (await isAlive(process)) {
    if (Date.now() > until + endLimitMs) throw new Error(`process ${process.pid} cannot be ended`);
    if (Date.now() > until) sendSignal(process.pid, "SIGKILL");
    await wait(20);
  }
}

function sendSignal(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has just ended.
  }
}

async function identify(pid: number): Promise<ProcessId> {
  const [, startTime] = await stateOf(pid);
  return { pid, startTime };
}

async function isAlive({ pid, startTime }: ProcessId): Promise<boolean> {
  const [state, current] = await stateOf(pid);
  return current !== undefined && current === startTime && state !== "Z";
}

/** Fields 3 (state) and 22 (start time) of /proc/PID/stat; field 2 is a name in brackets that may hold anything. */
async function stateOf(pid: number): Promise<[state: string | undefined, startTime: string | undefined]> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return [fields[0], fields[19]];
}

/** Spaces and the like stand as three octal digits in a mount table. */
function unescapeMount(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
