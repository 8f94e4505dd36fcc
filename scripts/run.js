// The door of every npm script: makes sure that what a task needs is there, then runs the task's steps under the Node
// among the packages. Plain JavaScript, so that Node 20 of a fresh machine can run it before anything is installed.
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runInPlace } from "../bin/run-node.js";
import { ensurePackages } from "./packages.js";
import { ensureTools } from "./tools.js";

const staticChecks = [
  ["format and lint", "biome", "check", "--error-on-warnings"],
  ["types", "tsc", "-p", "."],
  ["unused code", "knip"],
  ["generated code is fresh", "node", "scripts/check-proto.ts"],
];

/**
 * Steps are a title and a command line; the task's own arguments go to the last step.
 * @type {Record<string, { tools: boolean, packages: boolean, steps: string[][] }>}
 */
const tasks = {
  tools: { tools: true, packages: false, steps: [] },
  demo: { tools: true, packages: true, steps: [["", "node", "scripts/demo.ts"]] },
  test: { tools: true, packages: true, steps: [...staticChecks, ["tests", "vitest", "run", "--coverage"]] },
  check: { tools: false, packages: true, steps: [...staticChecks, ["tests", "vitest", "run", "--project", "pure"]] },
  bench: { tools: true, packages: true, steps: [["", "node", "bench/run.ts"]] },
  chaos: { tools: true, packages: true, steps: [["", "node", "chaos/run.ts"]] },
  package: { tools: false, packages: true, steps: [["", "node", "scripts/pack.ts"]] },
  proto: { tools: false, packages: true, steps: [["", "buf", "generate"]] },
};

const root = fileURLToPath(new URL("../", import.meta.url));
const [name = "", ...args] = process.argv.slice(2);

try {
  process.exitCode = await runTask(name);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/** @param {string} name */
async function runTask(name) {
  const task = tasks[name];
  if (!task) throw new Error(`"${name}" is no task: expected one of ${Object.keys(tasks).join(", ")}`);
  process.chdir(root);
  if (task.packages) await ensurePackages(root);
  if (task.tools) await announce(ensureTools(root, { tests: name === "test" }), name);
  return runSteps(task.steps);
}

/**
 * @param {Promise<string>} work
 * @param {string} name
 */
async function announce(work, name) {
  const answer = await work;
  if (name === "tools" && answer === "present") console.error("everything is there already, in .tools/bin");
}

/** @param {readonly string[][]} steps */
async function runSteps(steps) {
  const path = [join(root, "node_modules", ".bin"), process.env.PATH ?? ""].join(delimiter);
  for (const [index, [title = "", command = "", ...given]] of steps.entries()) {
    if (title !== "") console.error(`── ${title}`);
    const isLast = index === steps.length - 1;
    const code = await runInPlace(command, isLast ? [...given, ...args] : given, { ...process.env, PATH: path });
    if (code !== 0) return code;
  }
  return 0;
}
