import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

/** One command that is measured as a whole, from its start to its end. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** Given to its standard input. */
  readonly input?: Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

/** What a process took. */
export interface Usage {
  readonly wallSeconds: number;
  /** User and system time of all its threads. */
  readonly cpuSeconds: number;
  /** The most memory that was resident at one time. */
  readonly peakMegabytes: number;
  readonly output: string;
}

const lookMs = 20;
/** Linux counts CPU time in hundredths of a second, whatever its kernel's own tick is. */
const ticksPerSecond = 100;

/**
 * Runs a command to its end. Linux's /proc is read every {@link lookMs} while it runs, alike for whatever program: the
 * CPU time of the last moment is not seen.
 * @throws Error with what it printed where it ends with another code than 0
 */
export async function measureProcess(
  { program, args, input, env }: Command,
  { signal }: { signal: AbortSignal },
): Promise<Usage> {
  const startedAt = performance.now();
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"], signal });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  child.stdin.on("error", () => undefined).end(input);
  let [cpuSeconds, peakMegabytes] = [0, 0];
  const look = setInterval(() => {
    const seen = readUsage(child.pid ?? 0);
    cpuSeconds = Math.max(cpuSeconds, seen.cpuSeconds);
    peakMegabytes = Math.max(peakMegabytes, seen.peakMegabytes);
  }, lookMs);
  try {
    const closed = once(child, "close");
    await once(child, "exit");
    const wallSeconds = (performance.now() - startedAt) / 1000;
    await closed;
    if (child.exitCode !== 0) {
      throw new Error(`${program} ${args.join(" ")} ended with ${child.exitCode}, expected 0:\n${output.slice(-4000)}`);
    }
    return { wallSeconds, cpuSeconds, peakMegabytes, output };
  } finally {
    clearInterval(look);
  }
}

function readUsage(pid: number): { cpuSeconds: number; peakMegabytes: number } {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Counted from behind the name, which may hold anything: the 12th and 13th words are user and system time.
    const words = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const peak = Number(/^VmHWM:\s+(\d+) kB$/mu.exec(status)?.[1] ?? 0);
    return { cpuSeconds: (Number(words[11]) + Number(words[12])) / ticksPerSecond, peakMegabytes: peak / 1024 };
  } catch {
    return { cpuSeconds: 0, peakMegabytes: 0 };
  }
}
