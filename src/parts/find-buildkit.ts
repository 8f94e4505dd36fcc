import { readFile } from "node:fs/promises";
import { BuilderError } from "../errors.ts";
import { answersHttp2 } from "./answers.ts";
import { type BuildkitdOptions, startBuildkitd } from "./buildkitd.ts";
import { findProgram } from "./find-program.ts";

/** Where BuildKit comes from: one that runs already, or one that we started and that `stop` ends. */
export interface FoundBuildkit extends AsyncDisposable {
  /** `unix:///PATH` or `tcp://HOST:PORT`; of a Docker engine `docker:///PATH` or `docker://HOST:PORT` */
  readonly address: string;
  readonly from: "given" | "running" | "started" | "engine";
  stop(): Promise<void>;
}

export interface FindBuildkitOptions
  extends Pick<BuildkitdOptions, "folder" | "mirror" | "insecureRegistries" | "log" | "signal"> {
  /** `buildkit_url` or `BUILDKIT_HOST`. Taken as it is: who uses it says when it does not answer. */
  readonly given?: string | undefined;
  /** Addresses at which a buildkitd of this machine may run. A socket counts only when somebody answers there. */
  readonly defaults: readonly string[];
  /** The address of the person's Docker engine, if it can build, asked for where no buildkitd can be started. */
  readonly findEngine?: () => Promise<string | undefined>;
  /** The variable PATH. */
  readonly path: string;
  /** Folder that `npm run tools` fills. */
  readonly toolsFolder: string;
  /** User id of this process, 0 = root. */
  readonly uid: number;
  readonly userName: string;
}

const answerLimitMs = 2000;

/**
 * Finds a BuildKit, or starts one: the given address, then a running daemon's default socket, then a `buildkitd` of
 * the tools folder or on PATH as a child of ours, then a Docker engine.
 * @throws BuilderError `tool_missing` that names everything missing with the command that installs it
 */
export async function findBuildkit(options: FindBuildkitOptions): Promise<FoundBuildkit> {
  if (options.given) return notOurs(options.given, "given");
  for (const address of options.defaults) {
    const limit = AbortSignal.any([options.signal, AbortSignal.timeout(answerLimitMs)]);
    if (await answersHttp2(address, { signal: limit })) return notOurs(address, "running");
  }
  const programs = await findPrograms(options);
  if (programs instanceof BuilderError) {
    const engine = await options.findEngine?.();
    if (engine !== undefined) return notOurs(engine, "engine");
    throw programs;
  }
  const { address, stop } = await startBuildkitd({ ...options, ...programs });
  return { address, from: "started", stop, [Symbol.asyncDispose]: stop };
}

/**
 * The sockets that buildkitd listens on when nobody tells it otherwise.
 * @param runtimeFolder the variable XDG_RUNTIME_DIR
 */
export function defaultAddresses(runtimeFolder: string | undefined): readonly string[] {
  const folders = runtimeFolder ? ["/run", runtimeFolder] : ["/run"];
  return folders.map((folder) => `unix://${folder}/buildkit/buildkitd.sock`);
}

function notOurs(address: string, from: Exclude<FoundBuildkit["from"], "started">): FoundBuildkit {
  const stop = async () => {};
  return { address, from, stop, [Symbol.asyncDispose]: stop };
}

type Programs = Pick<BuildkitdOptions, "binary" | "runc" | "rootlesskit">;

/** Looks for everything before it complains, so that people install once. */
async function findPrograms(options: FindBuildkitOptions): Promise<Programs | BuilderError> {
  const { path, toolsFolder, uid } = options;
  const binary = await findProgram("buildkitd", { path, first: [toolsFolder] });
  const runc = await findProgram("runc", { path });
  const rootless = uid === 0 ? { packages: [], lines: [] } : await rootlessNeeds(options);
  const packages = [...(runc === undefined ? ["runc"] : []), ...rootless.packages];
  const missing = [
    ...(packages.length > 0 ? [`${packages.join(", ")}: ${installLine(packages, uid)}`] : []),
    ...(binary === undefined ? ["buildkitd: npm run tools"] : []),
    ...rootless.lines,
  ];
  if (binary !== undefined && runc !== undefined && missing.length === 0) {
    const { rootlesskit } = rootless;
    return { binary, runc, ...(rootlesskit !== undefined && { rootlesskit }) };
  }
  const listed = missing.map((line) => `  ${line}`).join("\n");
  return new BuilderError("tool_missing", `no BuildKit runs here, and to start one this is missing:\n${listed}`, {
    fix: "Run the commands above, or give the address of a BuildKit (buildkit_url).",
  });
}

interface Needs {
  readonly rootlesskit?: string | undefined;
  readonly packages: readonly string[];
  readonly lines: readonly string[];
}

async function rootlessNeeds({ path, uid, userName }: FindBuildkitOptions): Promise<Needs> {
  const rootlesskit = await findProgram("rootlesskit", { path });
  const packages = [
    ...(rootlesskit === undefined ? ["rootlesskit"] : []),
    ...((await findProgram("newuidmap", { path })) === undefined ? ["uidmap"] : []),
  ];
  const ids = "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535";
  const lines = (await hasSubordinateIds(userName, uid)) ? [] : [`user ids of containers: ${ids} ${userName}`];
  return { rootlesskit, packages, lines };
}

function installLine(packages: readonly string[], uid: number): string {
  return `${uid === 0 ? "" : "sudo "}apt-get install -y ${packages.join(" ")}`;
}

/** subuid(5): lines of NAME-OR-ID:FIRST:COUNT. */
async function hasSubordinateIds(userName: string, uid: number): Promise<boolean> {
  for (const file of ["/etc/subuid", "/etc/subgid"]) {
    const text = await readFile(file, "utf8").catch(() => "");
    const owners = text.split("\n").map((line) => line.split(":")[0]);
    if (!owners.includes(userName) && !owners.includes(String(uid))) return false;
  }
  return true;
}
