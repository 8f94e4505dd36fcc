import { isBuiltin } from "node:module";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import packageJson from "../package.json" with { type: "json" };

/** Packages of many small files that `of-builder build` needs. The others stay beside ours. */
export const bundledPackages = ["@bufbuild/protobuf", "@grpc/grpc-js", "@js-sdsl/ordered-map", "commander", "yaml"];
/** What grpc-js would read if somebody asked it for its channelz service: it comes with grpc-js. */
const unasked = "@grpc/proto-loader";

/**
 * Bundles sources into JavaScript: a start reads what it needs from a dozen files in place of 450, which is half of the
 * time until a build begins. Every file lies as deep as the sources do, which find things of the package from where they
 * are.
 * @param entries files of the repository, such as "src/cli/main.ts"; each gets its name ending in ".js"
 * @param target the folder that stands for the repository's
 */
export async function writeBundle(entries: readonly string[], target: string): Promise<void> {
  await using bundle = await rolldown({
    cwd: fileURLToPath(new URL("../", import.meta.url)),
    input: Object.fromEntries(entries.map((file) => [posix.normalize(withoutEnding(file)), file])),
    platform: "node",
    external: isExternal,
    transform: { target: "node22" },
    plugins: [{ name: "builtin-modules", renderChunk: (code) => takeBuiltins(code) }],
  });
  await bundle.write({
    dir: target,
    entryFileNames: "[name].js",
    chunkFileNames: "src/chunks/[name]-[hash].js",
    comments: { legal: true, annotation: false, jsdoc: false },
  });
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
