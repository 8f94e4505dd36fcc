import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { expect, inject, onTestFinished, test } from "vitest";
import { createBuildkit } from "../../src/buildkit/client.ts";
import { createLog } from "../../src/log.ts";
import { countHeld, createLeakBuilds, grown } from "./leak-builds.ts";
import { createScratch } from "./scratch-folder.ts";

/** `npm run bench -- leaks` does the same with ten thousand. */
const builds = 200;
const atOnce = 4;

test(`${builds} builds, good, failed, cancelled and exported, leave no handle, listener or file`, async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on("warning", onWarning);
  onTestFinished(() => void process.off("warning", onWarning));
  const folder = await createScratch();
  const client = createBuildkit({ address: inject("buildkit"), log: createLog("silent") });
  onTestFinished(() => client.close());
  const { kinds, run } = createLeakBuilds(client, folder);
  for (let number = 0; number < kinds; number++) await run(number);
  const [before, temporary] = [countHeld(), await temporaryFiles()];
  for (let number = 0; number < builds; number += atOnce)
    await Promise.all(Array.from({ length: atOnce }, (_, place) => run(number + place)));
  // What was closed last is gone at the next turns of the event loop.
  await expect.poll(() => grown(before, countHeld()), { timeout: 10_000 }).toEqual([]);
  expect(await temporaryFiles()).toEqual(temporary);
  expect((await readdir(folder)).sort()).toEqual(["cache", "files", "out.tar"]);
  expect(warnings).toEqual([]);
});

async function temporaryFiles(): Promise<readonly string[]> {
  return (await readdir(tmpdir())).filter((name) => name.includes("partial") || name.startsWith(".of-builder")).sort();
}
