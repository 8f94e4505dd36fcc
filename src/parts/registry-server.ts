import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { BuilderError } from "../errors.ts";
import type { Log } from "../log.ts";
import { type Child, startChild } from "./child.ts";
import { freePort } from "./free-port.ts";

/** A registry of our own: plain HTTP, on this machine's loopback only, without accounts. */
export interface RegistryServer extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly pid: number;
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

export interface RegistryServerOptions {
  readonly binary: string;
  /** Holds images and log. */
  readonly folder: string;
  /** 0 or absent: any free one. */
  readonly port?: number;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const markHeader = "X-Of-Builder-Registry";
const startLimitMs = 30_000;
const portAttempts = 5;

/**
 * Starts a registry (distribution 3) and waits until it answers.
 * @throws BuilderError `tool_missing` with the end of its log
 */
export async function startRegistry(options: RegistryServerOptions): Promise<RegistryServer> {
  const folder = resolve(options.folder);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (let attempt = 1; ; attempt++) {
    const port = options.port || (await freePort());
    try {
      const child = await startOn(port, { ...options, folder });
      const host = `127.0.0.1:${port}`;
      options.log.info({ registry: host, pid: child.pid }, "registry started");
      return { host, pid: child.pid, ended: child.ended, stop: child.stop, [Symbol.asyncDispose]: child.stop };
    } catch (error) {
      if (options.port || attempt === portAttempts || !isPortTaken(error)) throw error;
    }
  }
}

async function startOn(port: number, { binary, folder, signal }: RegistryServerOptions): Promise<Child> {
  const config = join(folder, "registry.json");
  const mark = randomUUID();
  await writeFile(config, JSON.stringify(configOf(port, { folder, mark }), null, 2));
  // It would send traces to a collector on this machine, and complain that there is none.
  const args = ["OTEL_TRACES_EXPORTER=none", binary, "serve", config];
  const program = { name: "registry", command: "env", args, folder, logFile: join(folder, "registry.log") };
  const answers = async (attempt: AbortSignal) => {
    const answer = await fetch(`http://127.0.0.1:${port}/v2/`, { signal: attempt });
    await answer.body?.cancel();
    return answer.ok && answer.headers.get(markHeader) === mark;
  };
  return startChild(program, { answers, limitMs: startLimitMs, signal });
}

/** distribution reads YAML, and JSON is YAML. The mark tells our registry from one that has the port already. */
function configOf(port: number, { folder, mark }: { folder: string; mark: string }): object {
  return {
    version: 0.1,
    log: { level: "error", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, "images") }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, headers: { [markHeader]: [mark] } },
  };
}

function isPortTaken(error: unknown): boolean {
  return error instanceof BuilderError && error.message.includes("address already in use");
}
