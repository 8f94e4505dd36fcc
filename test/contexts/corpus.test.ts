import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { expect, test } from "vitest";
import { shrinkwrapFolder } from "../../src/compose/local-build.ts";
import { readConfig, readSurroundings } from "../../src/config.ts";
import { faasCli } from "../model/faas-cli.ts";
import { type Listings, listContexts, shrinkwrapWith } from "./corpus/faas-cli.ts";
import { handlerStacks } from "./corpus/handler-stacks.ts";
import recorded from "./corpus/listings.json" with { type: "json" };
import { type CorpusStack, writeStack } from "./corpus/stack-files.ts";
import { templateStacks } from "./corpus/template-stacks.ts";
import { createScratch } from "./scratch.ts";

const stacks = [...handlerStacks, ...templateStacks];
const recordings: Readonly<Record<string, Listings>> = recorded.stacks;

/** Our contexts of the stack in a folder, written to disk. */
async function shrinkwrap(folder: string): Promise<Listings> {
  const around = {
    config: readConfig({}),
    surroundings: readSurroundings(process.env),
    log: pino({ level: "silent" }),
    signal: AbortSignal.timeout(60_000),
  };
  await shrinkwrapFolder({ folder, target: join(folder, "build"), buildArgs: {} }, around);
  return listContexts(join(folder, "build"));
}

async function writtenTo(folder: string, stack: CorpusStack): Promise<string> {
  await mkdir(folder);
  await writeStack(stack, folder);
  return folder;
}

test("the corpus has at least 60 stacks, each recorded", () => {
  expect(stacks.length).toBeGreaterThanOrEqual(60);
  expect(stacks.map(({ name }) => name).sort()).toEqual(Object.keys(recordings).sort());
  expect(recorded.version).toMatch(/./);
});

test.for(stacks)("$name: the contexts are those that faas-cli writes", async (stack) => {
  await using scratch = await createScratch();
  const ours = await shrinkwrap(await writtenTo(join(scratch.folder, "ours"), stack));
  expect(ours).toEqual(recordings[stack.name]);
  if (faasCli === "") return;
  const live = await shrinkwrapWith(faasCli, await writtenTo(join(scratch.folder, "theirs"), stack));
  await rm(join(scratch.folder, "theirs"), { recursive: true, force: true });
  expect(live).toEqual(ours);
});
