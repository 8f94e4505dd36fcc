import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { compile, findGo } from "./go.js";
import { ensureSystemPackages } from "./system-packages.js";

const programs = ["buildkitd", "buildctl", "registry"];

/**
 * Puts the pinned buildkitd, buildctl and registry of tools/go.mod into .tools/bin, and what they need of the system
 * where that is allowed. Does nothing when all is there.
 * @param {string} root the clone's folder
 * @param {{ tests?: boolean }} options whether the tests are to run
 */
export async function ensureTools(root, { tests = false } = {}) {
  await ensureSystemPackages({ tests });
  const folder = join(root, ".tools");
  const stampFile = join(folder, "stamp");
  const module = await readFile(join(root, "tools", "go.mod"), "utf8");
  const linkerFlags = linkerFlagsOf(module);
  const stamp = await stampOf(root, linkerFlags);
  const isThere = programs.every((name) => existsSync(join(folder, "bin", name)));
  if (isThere && (await readFile(stampFile, "utf8").catch(() => "")) === stamp) return "present";
  const go = await findGo(/^go (\S+)/m.exec(module)?.[1] ?? "");
  await mkdir(join(folder, "bin"), { recursive: true });
  await rm(stampFile, { force: true });
  await compile({ go, folder: join(root, "tools"), target: join(folder, "bin"), linkerFlags });
  await writeFile(stampFile, stamp);
  return "compiled";
}

/**
 * Built as tools of another module the programs do not know their own versions, and buildkitd would be refused as too
 * old: the linker tells them.
 * @param {string} module text of tools/go.mod
 */
function linkerFlagsOf(module) {
  const buildkit = versionIn(module, "github.com/moby/buildkit");
  const registry = versionIn(module, "github.com/distribution/distribution/v3");
  return [
    "-s -w",
    `-X github.com/moby/buildkit/version.Version=${buildkit}`,
    `-X github.com/distribution/distribution/v3/version.version=${registry}`,
  ].join(" ");
}

/**
 * @param {string} module
 * @param {string} path
 */
function versionIn(module, path) {
  const line = module.split("\n").find((text) =>
    text
      .trim()
      .replace(/^require /, "")
      .startsWith(`${path} v`),
  );
  const version = line && /\sv\S+/.exec(line)?.[0].trim();
  if (!version) throw new Error(`tools/go.mod does not pin ${path}`);
  return version;
}

/**
 * @param {string} root
 * @param {string} linkerFlags
 */
async function stampOf(root, linkerFlags) {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}\n${linkerFlags}\n`);
  for (const file of ["go.mod", "go.sum"]) hash.update(await readFile(join(root, "tools", file)));
  return hash.digest("hex");
}
