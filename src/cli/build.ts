import type { BuildExtras } from "../compose/build-extras.ts";
import { buildFolder, type LocalRequest, shrinkwrapFolder } from "../compose/local-build.ts";
import { readConfig, readSurroundings } from "../config.ts";
import { BuilderError } from "../errors.ts";
import type { TagFormat } from "../model/image-name.ts";
import { type ExtraOptions, readExtras } from "./build-extras.ts";
import { createPlainLog } from "./plain-log.ts";
import { createProgress, type Progress } from "./progress.ts";
import { createJsonProgress } from "./progress-json.ts";
import { abortOnSignal } from "./signals.ts";
import { readStackFile } from "./stack-file.ts";
import { exitCodes, type World } from "./world.ts";

/** The options of `of-builder build` as the command line gives them. */
export interface BuildOptions extends ExtraOptions {
  readonly yaml?: string;
  readonly filter?: string;
  readonly regex?: string;
  readonly push?: true;
  readonly shrinkwrap?: string;
  readonly tar?: true;
  readonly parallel: string;
  readonly cache: boolean;
  readonly force?: true;
  readonly envsubst: boolean;
  readonly buildArg: readonly string[];
  readonly tag: TagFormat;
  readonly progress: "auto" | "live" | "plain" | "quiet" | "json";
}

/**
 * `of-builder build`: the stack of the current folder.
 * @returns 0 when every function was built, 1 when one failed
 */
export async function build(options: BuildOptions, world: World): Promise<number> {
  const config = readConfig(world.env);
  using interrupt = abortOnSignal();
  const { signal } = interrupt;
  const request = await readRequest(options, world, { signal });
  if (options.shrinkwrap !== undefined) {
    const log = createPlainLog((text) => world.errors.write(text));
    const written = await shrinkwrapFolder(
      { ...request, target: options.shrinkwrap, tar: options.tar === true },
      { config, surroundings: readSurroundings(world.env), log, signal },
    );
    for (const folder of written) world.output.write(`${folder}\n`);
    return exitCodes.success;
  }
  const extras = readExtras(options, world.env);
  const progress = openProgress(options.progress, { ...world, output: progressOutput(extras, world) });
  try {
    const local = {
      ...request,
      standardOutput: world.output,
      push: options.push === true,
      parallel: parseParallel(options.parallel),
      noCache: !options.cache,
      force: options.force === true,
      extras,
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

/** Reads which functions of which stack are meant. */
export async function readRequest(
  options: Pick<BuildOptions, "yaml" | "filter" | "regex" | "envsubst" | "buildArg" | "tag">,
  world: World,
  { signal }: { signal: AbortSignal },
): Promise<LocalRequest> {
  const stackFile = options.yaml === undefined ? undefined : await readStackFile(options.yaml, { signal });
  return {
    folder: world.folder,
    ...(stackFile && { stackFile }),
    ...(options.envsubst && { variables: world.env }),
    selection: { filter: options.filter, regex: options.regex },
    buildArgs: parseBuildArgs(options.buildArg),
    tag: options.tag,
  };
}

/** Where the standard output takes a tar, progress goes to the other one. */
function progressOutput({ outputs = [] }: BuildExtras, { output, errors }: World): World["output"] {
  if (!outputs.some(({ dest }) => dest === "-")) return output;
  if (output.isTTY)
    throw new BuilderError("usage", "--output dest=-: a tar would be written to the terminal", {
      fix: "Send it to a file or a program: of-builder build -o type=tar,dest=- | tar -t",
    });
  return errors;
}

/** Opens the view of a build on the output. Who opens it closes it. */
export function openProgress(kind: BuildOptions["progress"], { output, env }: World): Progress {
  if (kind === "json") return createJsonProgress((text) => output.write(text));
  return createProgress({
    write: (text) => output.write(text),
    live: kind === "live" || (kind === "auto" && output.isTTY === true),
    quiet: kind === "quiet",
    // A terminal whose size nobody has set says 0.
    columns: () => output.columns || 80,
    rows: () => output.rows || 24,
    color: output.isTTY === true && !env.NO_COLOR,
  });
}

/** Of a repeated argument the last one counts, as with faas-cli, which only adds up packages. */
function parseBuildArgs(given: readonly string[]): Readonly<Record<string, string>> {
  const buildArgs = new Map<string, string>();
  for (const text of given) {
    const [, key = "", value = ""] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/s.exec(text) ?? [];
    if (key === "" || value === "") throw new BuilderError("usage", `--build-arg "${text}": expected KEY=VALUE`);
    const packages = key === "ADDITIONAL_PACKAGE" ? buildArgs.get(key) : undefined;
    buildArgs.set(key, packages === undefined ? value : `${packages} ${value}`);
  }
  return Object.fromEntries(buildArgs);
}

/** @throws BuilderError `usage` */
export function parseParallel(text: string): number {
  const parallel = Number(text);
  if (!Number.isInteger(parallel) || parallel < 1)
    throw new BuilderError("usage", `--parallel "${text}": expected a number of at least 1`);
  return parallel;
}
