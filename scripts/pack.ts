/*
 * Makes the package that is published: Node runs no TypeScript below node_modules, so it holds JavaScript and types.
 *
 *   node scripts/pack.ts [FOLDER]    writes of-builder-VERSION.tgz to FOLDER (default: here)
 */
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import packageJson from "../package.json" with { type: "json" };

const root = fileURLToPath(new URL("../", import.meta.url));
const target = join(root, ".package");
/** What belongs into the package beside the compiled sources. */
const copied = ["README.md", "CHANGELOG.md", "bin", "scripts/packages.js"];

const folder = resolve(process.argv[2] ?? ".");
rmSync(target, { recursive: true, force: true });
try {
  execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.package.json"], {
    cwd: root,
    stdio: "inherit",
  });
  for (const name of copied) cpSync(join(root, name), join(target, name), { recursive: true });
  writeCommand();
  writePackage();
  execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: target, stdio: "inherit" });
} finally {
  rmSync(target, { recursive: true, force: true });
}

function writeCommand(): void {
  const file = join(target, "bin/of-builder.js");
  writeFileSync(file, readFileSync(file, "utf8").replace("src/cli/main.ts", "src/cli/main.js"));
}

function writePackage(): void {
  const { scripts: _scripts, devDependencies: _tools, allowScripts: _allowed, ...kept } = packageJson;
  const doors = Object.entries(packageJson.exports).map(([name, file]) => [name, door(file)]);
  const published = { ...kept, exports: Object.fromEntries(doors) };
  writeFileSync(join(target, "package.json"), `${JSON.stringify(published, undefined, 2)}\n`);
}

/** What stands for a file of ours in the package. */
function door(file: string): unknown {
  if (!file.endsWith(".ts")) return file;
  const name = file.replace(/\.ts$/u, "");
  return { types: `${name}.d.ts`, default: `${name}.js` };
}
