import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A process of ours that comes back whenever it ends without having been asked to. */
export interface Respawned extends AsyncDisposable {
  readonly name: string;
  /** How often it ended by itself, with its last words: a crash that nobody caused. */
  readonly crashes: readonly string[];
  /**
   * kill -9; answers when it is ready again.
   * @param options.whenDead is done when it has died, and before its successor can have begun with anything
   */
  kill(options: { whenDead(): Promise<void> }): Promise<void>;
  /** SIGTERM; answers its exit code, or the signal that ended it. It does not come back. */
  leave(): Promise<number | string>;
}

const main = join(import.meta.dirname, "../src/cli/main.ts");
const lastLines = 20;

interface Running {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  readonly ended: Promise<number | string>;
}

/** Starts `of-builder COMMAND` and answers when it is ready. Its log is the file NAME.log of the folder. */
export async function respawn({
  name,
  command,
  env,
  folder,
}: {
  name: string;
  command: string;
  env: Readonly<Record<string, string>>;
  folder: string;
}): Promise<Respawned> {
  const crashes: string[] = [];
  let isWanted = true;
  let isHit = false;
  const start = (): Running => {
    const child = spawn(process.execPath, [main, command], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
      stdio: ["ignore", "inherit", "pipe"],
    });
    const words: string[] = [];
    const ready = Promise.withResolvers<void>();
    createInterface({ input: child.stderr }).on("line", (line) => {
      words.push(line);
      if (words.length > lastLines) words.shift();
      void appendFile(join(folder, `${name}.log`), `${line}\n`).catch(() => undefined);
      if (line.includes(" is ready")) ready.resolve();
    });
    const ended = once(child, "exit").then(([code, signal]: (number | string | null)[]) => {
      if (isWanted && !isHit) crashes.push(`${name} ended with ${signal ?? code}: ${words.join("\n")}`);
      isHit = false;
      if (isWanted) running = start();
      return signal ?? code ?? "";
    });
    return { child, ready: ready.promise, ended };
  };
  let running = start();
  await Promise.race([running.ready, running.ended.then(() => Promise.reject(new Error(crashes.join("\n"))))]);
  const leave = async () => {
    isWanted = false;
    running.child.kill("SIGTERM");
    return running.ended;
  };
  return {
    name,
    crashes,
    async kill({ whenDead }) {
      const { child, ended } = running;
      isHit = true;
      child.kill("SIGKILL");
      await ended;
      await whenDead();
      await running.ready;
    },
    leave,
    async [Symbol.asyncDispose]() {
      isWanted = false;
      running.child.kill("SIGKILL");
      if (running.child.exitCode === null && running.child.signalCode === null) await running.ended;
    },
  };
}
