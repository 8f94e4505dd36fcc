import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A folder of the running test; it goes with it. */
export async function createScratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "of-builder-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
