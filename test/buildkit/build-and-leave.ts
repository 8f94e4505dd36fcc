/** Run by a test as a process of its own: three builds that end in three ways, and no call of process.exit. */
import { randomUUID } from "node:crypto";
import { createBuildkit } from "../../src/buildkit/client.ts";
import { BuilderError } from "../../src/errors.ts";
import { createLog } from "../../src/log.ts";
import { createMemoryContext } from "./memory-context.ts";

const client = createBuildkit({ address: process.argv[2] ?? "", log: createLog("silent") });

for (const command of ["true", "exit 1", "sleep 1000"]) {
  const stop = new AbortController();
  const Dockerfile = `FROM busybox\nRUN echo ${randomUUID()}; ${command}\n`;
  const onEvent = ({ kind }: { kind: string }) => {
    if (kind === "log" && command.startsWith("sleep")) stop.abort();
  };
  try {
    await client.build({ context: createMemoryContext({ Dockerfile }) }, { signal: stop.signal, onEvent });
    process.stdout.write("built\n");
  } catch (error) {
    process.stdout.write(`${error instanceof BuilderError ? error.code : String(error)}\n`);
  }
}
client.close();
