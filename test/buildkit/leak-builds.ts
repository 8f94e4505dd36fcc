import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Buildkit } from "../../src/buildkit/client.ts";
import type { BuildRequest } from "../../src/buildkit/solve-request.ts";
import { createMemoryContext } from "./memory-context.ts";

/** What a process holds open. */
export interface Held {
  readonly files: number;
  readonly resources: number;
  readonly listeners: number;
}

/** Builds of every kind, run one after the other for as long as wanted. */
export interface LeakBuilds {
  /** How many kinds there are. */
  readonly kinds: number;
  /**
   * Runs the build of a number, and checks that it ended as its kind does.
   * @throws Error where it ended otherwise
   */
  run(number: number): Promise<void>;
}

/** Counts what this process holds. */
export function countHeld(): Held {
  return {
    files: readdirSync("/proc/self/fd").length,
    resources: process.getActiveResourcesInfo().length,
    listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
  };
}

/** What there is more of than before. */
export function grown(before: Held, after: Held): readonly string[] {
  return Object.entries(after)
    .filter(([kind, count]) => count > before[kind as keyof Held])
    .map(([kind, count]) => `${count} ${kind}, ${before[kind as keyof Held]} before`);
}

/**
 * Creates the builds: good, failed, cancelled, with secrets, limits and a cache, with a tar and a folder that come back.
 * @param folder for what comes back: cache, files and out.tar
 */
export function createLeakBuilds(client: Buildkit, folder: string): LeakBuilds {
  const kinds = createKinds(folder);
  return {
    kinds: kinds.length,
    async run(number) {
      const kind = kinds[number % kinds.length] as Kind;
      const stop = new AbortController();
      const onEvent = () => kind.cancels && stop.abort();
      const ended = await client.build(kind.request, { signal: stop.signal, onEvent }).then(
        () => "built",
        (error: { code?: string }) => error.code,
      );
      if (ended !== kind.ends) throw new Error(`build ${number} ended as ${ended}, expected ${kind.ends}`);
    },
  };
}

interface Kind {
  readonly ends: string;
  readonly cancels?: true;
  readonly request: BuildRequest;
}

function createKinds(folder: string): readonly Kind[] {
  const context = createMemoryContext({ Dockerfile: "FROM scratch\nCOPY a /\n", a: "a" });
  const everything: BuildRequest = {
    context,
    secrets: { a: Buffer.from("a") },
    sshAgents: { default: "/nowhere" },
    limits: { timeMs: 100_000, idleMs: 100_000, logBytes: 1000 },
    cacheTo: [{ type: "local", attrs: { dest: join(folder, "cache") } }],
  };
  return [
    { ends: "built", request: { context } },
    { ends: "build_failed", request: { context: createMemoryContext({ Dockerfile: "FROM scratch\nCOPY b /\n" }) } },
    { ends: "built", request: { context, exports: [{ type: "oci", to: join(folder, "out.tar") }] } },
    { ends: "built", request: { context, exports: [{ type: "local", folder: join(folder, "files") }] } },
    { ends: "built", request: everything },
    { ends: "build_cancelled", cancels: true, request: { context, noCache: true } },
  ];
}
