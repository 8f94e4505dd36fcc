#!/usr/bin/env node
// Plain JavaScript for any Node from 20 on: a Node that cannot run TypeScript hands over to the one among the packages.
import { fileURLToPath } from "node:url";

// An import statement would load all that node:fs can export, its streams too, which takes longer than the rest of this.
const { existsSync } = process.getBuiltinModule?.("node:fs") ?? (await import("node:fs"));
const root = new URL("../", import.meta.url);
const main = new URL("src/cli/main.ts", root);
// Stripping the types is what a start spends most of its time on: what was stripped once is kept.
const compileCache = fileURLToPath(new URL("node_modules/.cache/of-builder", root));
const setpriv = "/usr/bin/setpriv";

if (!existsSync(new URL("node_modules/", root)) && existsSync(new URL("package-lock.json", root))) {
  const { ensurePackages } = await import("../scripts/packages.js");
  await ensurePackages(fileURLToPath(root));
}
if (runsTypeScript(process.versions.node)) {
  const { enableCompileCache } = await import("node:module");
  enableCompileCache(compileCache);
  await import(main.href);
} else {
  process.exitCode = await handOver();
}

async function handOver() {
  const newer = new URL("node_modules/node/bin/node", root);
  if (existsSync(newer)) {
    const line = [fileURLToPath(newer), fileURLToPath(main), ...process.argv.slice(2)];
    // Who kills this process means the one that works: where Linux's setpriv is, the kernel sees to it.
    const [command = "", ...args] = existsSync(setpriv) ? [setpriv, "--pdeathsig", "KILL", ...line] : line;
    const { runInPlace } = await import("./run-node.js");
    return runInPlace(command, args, { NODE_COMPILE_CACHE: compileCache, ...process.env });
  }
  console.error(`of-builder needs Node 22.18 or newer, and this is ${process.versions.node}. Run: npm ci`);
  return 1;
}

/** @param {string} version */
function runsTypeScript(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}
