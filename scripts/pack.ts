/*
 * Makes the package that is published: Node runs no TypeScript below node_modules, so it holds JavaScript and types.
 *
 *   node scripts/pack.ts [FOLDER]    writes of-builder-VERSION.tgz to FOLDER (default: here)
 *
 * The JavaScript is bundled. A start reads what it needs from a dozen files in place of 450, which is half of the time
 * until a build begins.
 */
import { execFileSync } from "node:child_process";
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join, posix, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import packageJson from "../package.json" with { type: "json" };

const root = fileURLToPath(new URL("../", import.meta.url));
const target = join(root, ".package");
/** What belongs into the package beside the compiled sources. */
const copied = ["README.md", "CHANGELOG.md", "bin", "scripts/packages.js"];
/** Packages of many small files that `of-builder build` needs. The others stay beside ours. */
const bundled = ["@bufbuild/protobuf", "@grpc/grpc-js", "@js-sdsl/ordered-map", "commander", "yaml"];
/** What grpc-js would read if somebody asked it for its channelz service: it comes with grpc-js. */
const unasked = "@grpc/proto-loader";
/** Files that a program of somebody else may import, by their names in package.json. */
const doors = Object.entries(packageJson.exports);

const folder = resolve(process.argv[2] ?? ".");
rmSync(target, { recursive: true, force: true });
try {
  await writeBundle();
  execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.package.json"], {
    cwd: root,
    stdio: "inherit",
  });
  for (const name of copied) cpSync(join(root, name), join(target, name), { recursive: true });
  writeCommand();
  writeLicenses();
  writePackage();
  execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: target, stdio: "inherit" });
} finally {
  rmSync(target, { recursive: true, force: true });
}

/** Every file lies as deep as the sources do, which find things of the package from where they are. */
async function writeBundle(): Promise<void> {
  const entries = ["src/cli/main.ts", ...doors.map(([, file]) => file).filter((file) => file.endsWith(".ts"))];
  await using bundle = await rolldown({
    cwd: root,
    input: Object.fromEntries(entries.map((file) => [posix.normalize(withoutEnding(file)), file])),
    platform: "node",
    external: isExternal,
    transform: { target: "node22" },
  });
  await bundle.write({
    dir: target,
    entryFileNames: "[name].js",
    chunkFileNames: "src/chunks/[name]-[hash].js",
    comments: { legal: true, annotation: false, jsdoc: false },
  });
}

/** What an installation brings beside the package, or Node itself has. */
function isExternal(id: string): boolean {
  const [name = ""] = /^(?:@[^/]+\/)?[^/]+/u.exec(id) ?? [];
  return isBuiltin(id) || name === unasked || (name in packageJson.dependencies && !bundled.includes(name));
}

function writeCommand(): void {
  const file = join(target, "bin/of-builder.js");
  writeFileSync(file, readFileSync(file, "utf8").replace("src/cli/main.ts", "src/cli/main.js"));
}

/** Who passes a package on passes its license on, too. */
function writeLicenses(): void {
  const texts = bundled.map((name) => {
    const [file] = globSync(`node_modules/${name}/LICENSE*`, { cwd: root });
    const { license } = JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8"));
    return `${name}: ${license}\n\n${file === undefined ? "" : readFileSync(join(root, file), "utf8")}`;
  });
  writeFileSync(join(target, "LICENSES-OF-OTHERS.txt"), texts.join(`\n${"-".repeat(78)}\n\n`));
}

function writePackage(): void {
  const { scripts: _scripts, devDependencies: _tools, allowScripts: _allowed, ...kept } = packageJson;
  const published = { ...kept, exports: Object.fromEntries(doors.map(([name, file]) => [name, door(file)])) };
  writeFileSync(join(target, "package.json"), `${JSON.stringify(published, undefined, 2)}\n`);
}

/** What stands for a file of ours in the package. */
function door(file: string): unknown {
  if (!file.endsWith(".ts")) return file;
  return { types: `${withoutEnding(file)}.d.ts`, default: `${withoutEnding(file)}.js` };
}

function withoutEnding(file: string): string {
  return file.replace(/\.ts$/u, "");
}
