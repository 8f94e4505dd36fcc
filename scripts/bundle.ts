import { isBuiltin } from "node:module";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { type ChunkingContext, rolldown } from "rolldown";
import packageJson from "../package.json" with { type: "json" };

const root = fileURLToPath(new URL("../", import.meta.url));
/** Packages of many small files that `of-builder build` needs. The others stay beside ours. */
export const bundledPackages = ["@bufbuild/protobuf", "@grpc/grpc-js", "@js-sdsl/ordered-map", "commander", "yaml"];
/** What grpc-js would read if somebody asked it for its channelz service: it comes with grpc-js. */
const unasked = "@grpc/proto-loader";

/** What the command loads at once, and in this order: to know what it is asked, to plan a build, to build. */
const stages = [
  ["start", "src/cli/main.ts"],
  ["plan", "src/cli/build.ts"],
  ["build", "src/parts/find-buildkit.ts"],
  ["build", "src/compose/buildkit-pool.ts"],
] as const;

/** Threads of their own: each begins with its own file, which holds all that it needs. */
const threads = ["src/contexts/scan-thread.ts"];

/**
 * Bundles sources into JavaScript, and the threads that they may start: a start reads what it needs from a dozen files in
 * place of 450, which is half of the time until a build begins. Every file lies as deep as the sources do, which find things
 * of the package from where they are.
 * @param entries files of the repository, such as "src/cli/main.ts"; each gets its name ending in ".js"
 * @param target the folder that stands for the repository's
 */
export async function writeBundle(entries: readonly string[], target: string): Promise<void> {
  for (const set of [entries, ...threads.map((file) => [file])]) await writeEntries(set, target);
}

async function writeEntries(entries: readonly string[], target: string): Promise<void> {
  await using bundle = await rolldown({
    cwd: root,
    input: Object.fromEntries(entries.map((file) => [posix.normalize(withoutEnding(file)), file])),
    platform: "node",
    preserveEntrySignatures: "allow-extension",
    external: isExternal,
    transform: { target: "node22" },
    plugins: [{ name: "builtin-modules", renderChunk: (code) => takeBuiltins(code) }],
  });
  await bundle.write({
    dir: target,
    entryFileNames: "[name].js",
    chunkFileNames: "src/chunks/[name]-[hash].js",
    comments: { legal: true, annotation: false, jsdoc: false },
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [{ name: createGrouping(entries), debugName: "stages of the command" }],
    },
  });
}

/**
 * Puts modules into files: each lies with the first stage that needs it, as a file costs a start almost a millisecond. What
 * another entry needs as well lies beside it: whoever imports that one takes nothing of the command along.
 */
function createGrouping(entries: readonly string[]): (id: string, context: ChunkingContext) => string | null {
  const ids = entries.map((file) => join(root, file));
  const libraries = entries
    .filter((file) => !stages.some(([, begins]) => begins === file))
    .map((file) => [posix.basename(file, ".ts"), file] as const);
  let reached: Record<"stages" | "libraries", readonly Reached[]> | undefined;
  return (id, context) => {
    const reach = ([name, file]: readonly [string, string]): Reached => ({
      name,
      modules: reachedFrom(join(root, file), context),
    });
    reached ??= { stages: stages.map(reach), libraries: libraries.map(reach) };
    const stage = reached.stages.find(({ modules }) => modules.has(id));
    if (stage === undefined || ids.includes(id)) return null;
    return [stage, ...reached.libraries.filter(({ modules }) => modules.has(id))].map(({ name }) => name).join("-");
  };
}

interface Reached {
  readonly name: string;
  readonly modules: ReadonlySet<string>;
}

/** The modules that loading one brings along at once. */
function reachedFrom(entry: string, context: ChunkingContext): ReadonlySet<string> {
  const reached = new Set<string>();
  const reach = (id: string) => {
    const module = context.getModuleInfo(id);
    if (module === null || reached.has(id)) return;
    reached.add(id);
    for (const imported of module.importedIds) reach(imported);
  };
  reach(entry);
  return reached;
}

/**
 * Takes what is Node's own from `process.getBuiltinModule`: an import statement makes Node look at every export of such a
 * module, and so load the streams of node:fs, the web's half of node:crypto and more that nobody asks for.
 */
function takeBuiltins(code: string): string {
  return code.replaceAll(/^import (.+) from ("node:[a-z_/]+");$/gmu, (_line, names: string, id: string) => {
    const target = names.replace(/^\* as /u, "").replaceAll(" as ", ": ");
    return `const ${target} = process.getBuiltinModule(${id});`;
  });
}

/** What an installation brings beside the package, or Node itself has. */
function isExternal(id: string): boolean {
  const [name = ""] = /^(?:@[^/]+\/)?[^/]+/u.exec(id) ?? [];
  return isBuiltin(id) || name === unasked || (name in packageJson.dependencies && !bundledPackages.includes(name));
}

export function withoutEnding(file: string): string {
  return file.replace(/\.ts$/u, "");
}
