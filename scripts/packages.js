import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { startTicker } from "./ticker.js";

/**
 * Installs the packages of package-lock.json where node_modules does not have them. npm notes what it has installed in
 * node_modules/.package-lock.json, last of all, so an installation that was cut short shows.
 * @param {string} root the clone's folder
 */
export async function ensurePackages(root) {
  if (await isInstalled(root)) return;
  const ticker = startTicker("installing packages (about half a minute)");
  const { code, printed } = await runNpm(root);
  ticker.stop(code === 0 ? "packages installed" : "packages could not be installed");
  if (code === 0) return;
  console.error(printed);
  throw new Error(`npm ci ended with ${code}`);
}

/** @param {string} root */
async function isInstalled(root) {
  const wanted = await readLock(join(root, "package-lock.json"));
  const installed = await readLock(join(root, "node_modules", ".package-lock.json"));
  return Object.entries(wanted)
    .filter(([path, { optional, devOptional, peer }]) => path !== "" && !optional && !devOptional && !peer)
    .every(([path, { version }]) => installed[path]?.version === version);
}

/**
 * @param {string} file
 * @returns {Promise<Record<string, { version?: string, optional?: boolean, devOptional?: boolean, peer?: boolean }>>}
 */
async function readLock(file) {
  const text = await readFile(file, "utf8").catch(() => "{}");
  return JSON.parse(text).packages ?? {};
}

/** @param {string} root */
async function runNpm(root) {
  // Under "npm run" this is the npm that runs, which may be no program on PATH.
  const npm = process.env.npm_execpath;
  const [command, ...first] = npm?.endsWith(".js") ? [process.execPath, npm] : ["npm"];
  const args = [...first, "ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const child = spawn(command ?? "npm", args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      printed = `${printed}${text}`.slice(-20_000);
    });
  }
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { code, printed };
}
