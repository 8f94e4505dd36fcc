import { readdir, readFile, readlink } from "node:fs/promises";

/** A process of this machine, as /proc shows it. */
export interface SeenProcess {
  readonly pid: number;
  readonly parent: number;
  /** Its program's name, of 15 characters at most. */
  readonly name: string;
  /** Arguments, environment and current folder: where it says which folder it works in. */
  readonly about: string;
}

/** All processes of this machine; of those of others no more than their names is known. */
export async function readProcesses(): Promise<readonly SeenProcess[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const seen = await Promise.all(pids.map(readProcess));
  return seen.filter((process) => process !== undefined);
}

/** Everything below a process. */
export function descendantsOf(pid: number, processes: readonly SeenProcess[]): readonly SeenProcess[] {
  const children = processes.filter(({ parent }) => parent === pid);
  return children.flatMap((child) => [child, ...descendantsOf(child.pid, processes)]);
}

async function readProcess(pid: string): Promise<SeenProcess | undefined> {
  const read = (file: string) => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
  const [, name = "", state = "", parent = ""] = /\((.*)\) (\S) (\d+)/s.exec(await read("stat")) ?? [];
  // One that has ended is there until its parent has heard of it.
  if (name === "" || state === "Z") return undefined;
  const folder = await readlink(`/proc/${pid}/cwd`).catch(() => "");
  const about = [await read("cmdline"), await read("environ"), folder].join("\n");
  return { pid: Number(pid), parent: Number(parent), name, about };
}
