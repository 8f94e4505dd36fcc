import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, open, readFile, stat, truncate } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { BuilderError } from "../errors.ts";

/**
 * A real program as our child.
 *
 * It leads a process group of its own, so a Ctrl-C on the terminal reaches us first and we stop it in our order. A
 * guardian, a shell that reads a pipe only we hold, ends the whole group when we are gone without having said
 * goodbye: by an uncaught error, by `kill -9`, by a second Ctrl-C.
 */
export interface Program {
  /** What people know it as. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Working folder; it exists. */
  readonly folder: string;
  /** Takes what the program prints, appended; begins anew when it has grown over 16 MiB. */
  readonly logFile: string;
  /** How long it may take to end when asked to, in milliseconds; then it is killed. */
  readonly stopLimitMs?: number;
}

export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** Resolves, never rejects, with how the program ended: "exit code 1", "signal SIGKILL". */
  readonly ended: Promise<string>;
  /** Ends the program and everything it started; resolves once nothing of it runs. May be called twice. */
  stop(): Promise<void>;
}

const defaultStopLimitMs = 10_000;
const maxLogBytes = 16 * 1024 * 1024;
const boundLogEveryMs = 30_000;
const logTailBytes = 16 * 1024;
const logTailLines = 12;

/**
 * Ends group $1 when standard input closes without a word; $2 = seconds until it is killed. No "--" before the group:
 * the kill of dash and of busybox takes it for a number.
 */
const guardianScript = `read -r word && exit 0
kill -TERM "-$1" 2>/dev/null || exit 0
left=$(($2 * 5))
while [ "$left" -gt 0 ] && kill -0 "-$1" 2>/dev/null; do sleep 0.2; left=$((left - 1)); done
kill -KILL "-$1" 2>/dev/null`;

/**
 * Starts a program and waits until it answers.
 * @param answers makes one real call; false = not yet. It is asked again every few milliseconds.
 * @param limitMs how long it may take until it answers
 * @throws BuilderError `tool_missing` when it cannot be started, ends early or never answers, with the last lines of
 * its log; the reason of `signal` when that is aborted. Nothing is left running then.
 */
export async function startChild(
  program: Program,
  {
    answers,
    limitMs,
    signal,
  }: { answers(signal: AbortSignal): Promise<boolean>; limitMs: number; signal: AbortSignal },
): Promise<Child> {
  signal.throwIfAborted();
  const child = await spawnChild(program);
  const gone = new AbortController();
  void child.ended.then((how) => gone.abort(`ended with ${how}`));
  const limit = AbortSignal.timeout(limitMs);
  try {
    await untilAnswers(answers, AbortSignal.any([signal, gone.signal, limit]));
    return child;
  } catch (error) {
    const why = gone.signal.aborted ? gone.signal.reason : `did not answer within ${limitMs / 1000} s`;
    await child.stop();
    if (signal.aborted) throw signal.reason;
    const message = `${program.name} ${why}; its log ends:\n${await logTail(program.logFile)}`;
    throw new BuilderError("tool_missing", message, { cause: error, fix: `See ${program.logFile}.` });
  }
}

async function untilAnswers(answers: (signal: AbortSignal) => Promise<boolean>, signal: AbortSignal): Promise<void> {
  for (let waitMs = 5; ; waitMs = Math.min(waitMs * 1.5, 200)) {
    signal.throwIfAborted();
    if (await answers(signal).catch(() => false)) return;
    await wait(waitMs, undefined, { signal });
  }
}

async function spawnChild(program: Program): Promise<Child> {
  const { name, command, args, folder, logFile, stopLimitMs = defaultStopLimitMs } = program;
  await mkdir(dirname(logFile), { recursive: true });
  await boundLog(logFile);
  await using log = await open(logFile, "a", 0o600);
  const started = spawn(command, args, { cwd: folder, detached: true, stdio: ["ignore", log.fd, log.fd] });
  const ended = untilEnded(started);
  const { pid } = started;
  if (pid === undefined) {
    throw new BuilderError("tool_missing", `${name} (${command}) cannot be started: ${await ended}`);
  }
  const guardian = startGuardian(pid, stopLimitMs);
  const bound = setInterval(() => void boundLog(logFile), boundLogEveryMs).unref();
  void ended.then(() => {
    clearInterval(bound);
    guardian.dismiss();
  });
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= stopGroup(pid, { ended, limitMs: stopLimitMs });
    return stopping;
  };
  return { pid, ended, stop, [Symbol.asyncDispose]: stop };
}

function untilEnded(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
}

function startGuardian(group: number, stopLimitMs: number): { dismiss(): void } {
  const script = ["-c", guardianScript, "guardian", String(group), String(Math.ceil(stopLimitMs / 1000))];
  const guardian = spawn("/bin/sh", script, { cwd: "/", detached: true, stdio: ["pipe", "ignore", "ignore"] });
  guardian.on("error", () => {});
  guardian.stdin.on("error", () => {});
  guardian.unref();
  return { dismiss: () => guardian.stdin.end("leave\n") };
}

async function stopGroup(
  group: number,
  { ended, limitMs }: { ended: Promise<string>; limitMs: number },
): Promise<void> {
  signalGroup(group, "SIGTERM");
  const limit = new AbortController();
  await Promise.race([ended, wait(limitMs, undefined, { signal: limit.signal }).catch(() => {})]);
  limit.abort();
  // What the program itself started may outlive it: it had its time to end them.
  signalGroup(group, "SIGKILL");
  await ended;
  // Bounded: in a container whose first process reaps nothing, a dead member stays in the group for ever.
  for (let tries = 0; tries < 400 && signalGroup(group, 0); tries++) await wait(5);
}

/** @returns false when nobody is left in the group */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, signal);
  } catch {
    return false;
  }
}

/** The program goes on writing at the new end: its log is open for appending. */
async function boundLog(file: string): Promise<void> {
  const { size } = await stat(file).catch(() => ({ size: 0 }));
  if (size > maxLogBytes) await truncate(file).catch(() => {});
}

/** Go puts a trace of two lines per call, the second one indented, behind the line that says what happened. */
async function logTail(file: string): Promise<string> {
  const bytes = await readFile(file).catch(() => Buffer.from("(no log)"));
  const lines = bytes.subarray(-logTailBytes).toString("utf8").trimEnd().split("\n");
  const words = lines.filter((line, index) => !line.startsWith("\t") && !lines[index + 1]?.startsWith("\t"));
  return words.slice(-logTailLines).join("\n");
}
