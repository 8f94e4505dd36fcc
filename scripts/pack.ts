/*
 * Makes the package that is published: Node runs no TypeScript below node_modules, so it holds JavaScript and types.
 *
 *   node scripts/pack.ts [FOLDER]    writes of-builder-VERSION.tgz to FOLDER (default: here)
 */
import { execFileSync } from "node:child_process";
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import packageJson from "../package.json" with { type: "json" };
import { bundledPackages, withoutEnding, writeBundle } from "./bundle.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const target = join(root, ".package");
/** What belongs into the package beside the compiled sources. */
const copied = ["README.md", "CHANGELOG.md", "bin", "scripts/packages.js"];
/** Files that a program of somebody else may import, by their names in package.json. */
const doors = Object.entries(packageJson.exports);

const folder = resolve(process.argv[2] ?? ".");
rmSync(target, { recursive: true, force: true });
try {
  const sources = doors.map(([, file]) => file).filter((file) => file.endsWith(".ts"));
  await writeBundle(["src/cli/main.ts", ...sources], target);
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

function writeCommand(): void {
  const file = join(target, "bin/of-builder.js");
  writeFileSync(file, readFileSync(file, "utf8").replace("src/cli/main.ts", "src/cli/main.js"));
}

/** Who passes a package on passes its license on, too. */
function writeLicenses(): void {
  const texts = bundledPackages.map((name) => {
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
