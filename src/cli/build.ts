import { readFile } from "node:fs/promises";
import { buildFolder, shrinkwrapFolder } from "../compose/local-build.ts";
import { readConfig, readSurroundings } from "../config.ts";
import { BuilderError, messageOf } from "../errors.ts";
import { createPlainLog } from "./plain-log.ts";
import { createProgress } from "./progress.ts";
import { abortOnSignal } from "./signals.ts";
import { exitCodes, type World } from "./world.ts";

/** The options of `of-builder build` as the command line gives them. */
export interface BuildOptions {
  readonly yaml?: string;
  readonly filter?: string;
  readonly push?: true;
  readonly shrinkwrap?: string;
  readonly parallel: string;
  readonly cache: boolean;
  readonly envsubst: boolean;
  readonly buildArg: readonly string[];
  readonly progress: "auto" | "live" | "plain" | "quiet";
}

/**
 * `of-builder build`: the stack of the current folder.
 * @returns 0 when every function was built, 1 when one failed
 */
export async function build(options: BuildOptions, world: World): Promise<number> {
  const config = readConfig(world.env);
  const stackFile =
    options.yaml === undefined ? undefined : { file: options.yaml, text: await readStack(options.yaml) };
  const request = {
    folder: world.folder,
    ...(stackFile && { stackFile }),
    ...(options.envsubst && { variables: world.env }),
    wants: globTest(options.filter),
    buildArgs: parseBuildArgs(options.buildArg),
  };
  using interrupt = abortOnSignal();
  const { signal } = interrupt;
  if (options.shrinkwrap !== undefined) {
    const log = createPlainLog((text) => world.errors.write(text));
    const written = await shrinkwrapFolder(
      { ...request, target: options.shrinkwrap },
      { config, surroundings: readSurroundings(world.env), log, signal },
    );
    for (const folder of written) world.output.write(`${folder}\n`);
    return exitCodes.success;
  }
  const { output } = world;
  const progress = createProgress({
    write: (text) => output.write(text),
    live: options.progress === "live" || (options.progress === "auto" && output.isTTY === true),
    quiet: options.progress === "quiet",
    columns: () => output.columns ?? 100,
    rows: () => output.rows ?? 24,
    color: output.isTTY === true && !world.env.NO_COLOR,
  });
  try {
    const local = {
      ...request,
      push: options.push === true,
      parallel: parseParallel(options.parallel),
      noCache: !options.cache,
    };
    const log = createPlainLog((text) => progress.note(text.trimEnd()));
    const outcome = await buildFolder(local, {
      config,
      surroundings: readSurroundings(world.env),
      log,
      watcher: progress,
      signal,
    });
    return outcome.state === "success" ? exitCodes.success : exitCodes.failed;
  } finally {
    progress.close();
  }
}

async function readStack(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new BuilderError("usage", `stack file "${file}": ${messageOf(cause)}`, {
      cause,
      fix: "Name a file that exists with -f.",
    });
  }
}

/** `*` stands for any text; without a pattern every name is wanted. */
function globTest(glob: string | undefined): (name: string) => boolean {
  if (glob === undefined || glob === "") return () => true;
  const pattern = new RegExp(`^${glob.replaceAll(/[\\^$.+?()[\]{}|]/g, "\\$&").replaceAll(/\*+/g, ".*")}$`);
  return (name) => pattern.test(name);
}

function parseBuildArgs(given: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    given.map((text) => {
      const [, key = "", value = ""] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/s.exec(text) ?? [];
      if (key === "" || value === "") throw new BuilderError("usage", `--build-arg "${text}": expected KEY=VALUE`);
      return [key, value];
    }),
  );
}

function parseParallel(text: string): number {
  const parallel = Number(text);
  if (!Number.isInteger(parallel) || parallel < 1)
    throw new BuilderError("usage", `--parallel "${text}": expected a number of at least 1`);
  return parallel;
}
