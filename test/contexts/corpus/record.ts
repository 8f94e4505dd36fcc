/*
 * Records what a real faas-cli writes for every stack of the corpus:
 *   node test/contexts/corpus/record.ts FAAS_CLI VERSION
 * VERSION is a text that says which one it is.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Listings, shrinkwrapWith } from "./faas-cli.ts";
import { handlerStacks } from "./handler-stacks.ts";
import { writeStack } from "./stack-files.ts";
import { templateStacks } from "./template-stacks.ts";

const [faasCli = "", version = ""] = process.argv.slice(2);
if (faasCli === "" || version === "") throw new Error("usage: record.ts FAAS_CLI VERSION");

const stacks: Record<string, Listings> = {};
for (const stack of [...handlerStacks, ...templateStacks]) {
  const folder = await mkdtemp(join(tmpdir(), "of-builder-corpus-"));
  try {
    await writeStack(stack, folder);
    stacks[stack.name] = await shrinkwrapWith(faasCli, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
await writeFile(join(import.meta.dirname, "listings.json"), `${JSON.stringify({ version, stacks }, undefined, 2)}\n`);
