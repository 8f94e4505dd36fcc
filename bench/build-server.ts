import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { RealParts } from "./real-parts.ts";

/** The server as people run it. */
export interface BuildServer extends AsyncDisposable {
  readonly url: string;
  /** The most memory that the server's process ever had, in MiB. */
  peakMegabytes(): Promise<number>;
}

const program = new URL("../bin/of-builder.js", import.meta.url).pathname;

/**
 * Starts `of-builder serve` with a database of its own.
 * @throws Error with its log when it ends instead of getting ready
 */
export async function startBuildServer(
  { folder, buildkit }: Pick<RealParts, "folder" | "buildkit">,
  settings: Readonly<Record<string, string>> = {},
): Promise<BuildServer> {
  // PostgreSQL runs as a user of its own where this is root's, and has to reach its folder.
  await chmod(folder, 0o711);
  const child = spawn(process.execPath, [program, "serve"], {
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      PORT: "0",
      listen_host: "127.0.0.1",
      data_path: join(folder, "server"),
      secret_mount_path: join(folder, "secrets"),
      BUILDKIT_HOST: buildkit,
      ...settings,
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(child, "exit");
  let log = "";
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      log = `${log}${line}\n`.slice(-10_000);
      const address = /"address":"([^"]+)".*"of-builder is ready"/.exec(line)?.[1];
      if (address !== undefined) resolve(address);
    });
    child.once("exit", (code) => reject(new Error(`of-builder serve ended with ${code}:\n${log}`)));
  });
  return {
    url,
    async peakMegabytes() {
      const status = await readFile(`/proc/${child.pid}/status`, "utf8");
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
