import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { RealParts } from "./real-parts.ts";

const module = new URL("tools/", import.meta.url).pathname;

/** Where buildx is compiled to. */
export const buildxPlace = new URL("../.tools/bench/buildx", import.meta.url).pathname;

/**
 * Compiles the buildx that bench/tools/go.mod pins, where it is not there yet. The first time takes minutes.
 * @throws Error with Go's words
 */
export async function ensureBuildx({ tell, signal }: { tell(text: string): void; signal: AbortSignal }): Promise<void> {
  if (
    await access(buildxPlace).then(
      () => true,
      () => false,
    )
  )
    return;
  const version = /docker\/buildx (v\S+)/.exec(await readFile(join(module, "go.mod"), "utf8"))?.[1] ?? "";
  tell(`compiling buildx ${version} (some minutes, once)`);
  const flags = `-ldflags=-s -w -X github.com/docker/buildx/version.Version=${version}`;
  const env = { GOBIN: join(buildxPlace, ".."), GOFLAGS: "-mod=readonly", GOWORK: "off", CGO_ENABLED: "0" };
  await run("go", ["install", "-trimpath", flags, "tool"], { folder: module, env, signal });
}

/**
 * Makes a builder "bench" of buildx that is the buildkitd of these parts.
 * @returns the environment in which buildx finds it
 */
export async function createRemoteBuilder({ folder, buildkit }: RealParts): Promise<Record<string, string>> {
  const env = { BUILDX_CONFIG: join(folder, "buildx") };
  const args = ["create", "--name", "bench", "--driver", "remote", buildkit];
  await run(buildxPlace, args, { folder, env, signal: AbortSignal.timeout(60_000) });
  return env;
}

async function run(
  program: string,
  args: readonly string[],
  { folder, env, signal }: { folder: string; env: Readonly<Record<string, string>>; signal: AbortSignal },
): Promise<void> {
  const stdio: ["ignore", "ignore", "pipe"] = ["ignore", "ignore", "pipe"];
  const child = spawn(program, args, { cwd: folder, env: { ...process.env, ...env }, stdio, signal });
  const ended = once(child, "close");
  const errors = await text(child.stderr);
  const [code] = await ended;
  if (code !== 0)
    throw new Error(`${program} ${args.join(" ")} ended with ${code}, expected 0:\n${errors.slice(-4000)}`);
}
