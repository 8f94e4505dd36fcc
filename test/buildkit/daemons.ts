import { chmod, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { inject } from "vitest";
import { createLog } from "../../src/log.ts";
import { type Buildkitd, startBuildkitd } from "../../src/parts/buildkitd.ts";
import { findProgram } from "../../src/parts/find-program.ts";
import { freePort } from "../../src/parts/free-port.ts";

const path = process.env.PATH ?? "";
const first = [resolve(".tools/bin")];

/**
 * Starts a buildkitd of a test's own, with the suite's registry as docker.io.
 * @param options.args further ones of its command line
 */
export async function startDaemon(
  folder: string,
  options: { binary?: string; args?: readonly string[] } = {},
): Promise<Buildkitd> {
  const [binary = "", runc = "", rootlesskit] = await Promise.all(
    ["buildkitd", "runc", "rootlesskit"].map((name) => findProgram(name, { path, first })),
  );
  const mirror = inject("registry");
  const chosen = options.binary ?? binary;
  return startBuildkitd({
    binary: options.args === undefined ? chosen : await writeScript(folder, [chosen, ...options.args]),
    runc,
    ...(process.getuid?.() !== 0 && rootlesskit !== undefined && { rootlesskit }),
    folder,
    mirror,
    insecureRegistries: [mirror],
    log: createLog("silent"),
    signal: AbortSignal.timeout(60_000),
  });
}

/** Writes a program that is another one with more arguments. */
async function writeScript(folder: string, [binary, ...args]: readonly string[]): Promise<string> {
  const script = `${folder}.sh`;
  await writeFile(script, `#!/bin/sh\nexec "${binary}" "$@" ${args.map((arg) => `"${arg}"`).join(" ")}\n`);
  await chmod(script, 0o755);
  return script;
}

/** The same, listening on a port with TLS, too, where it wants to see a certificate of each client. */
export async function startTlsDaemon(
  folder: string,
  tls: { ca: string; cert: string; key: string },
): Promise<{ daemon: Buildkitd; port: number }> {
  const port = await freePort();
  const listen = ["--addr", `unix://${folder}/run/buildkitd.sock`, "--addr", `tcp://127.0.0.1:${port}`];
  const files = ["--tlscacert", tls.ca, "--tlscert", tls.cert, "--tlskey", tls.key];
  return { daemon: await startDaemon(folder, { args: [...listen, ...files] }), port };
}

/** Kills a daemon and all it started, as a machine that goes away would. */
export function killDaemon({ pid }: Buildkitd): void {
  process.kill(-pid, "SIGKILL");
}
