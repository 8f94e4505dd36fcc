import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { findFaasClis } from "./faas-cli.ts";

test("ours is held against the programs of FAAS_CLI, else against the one on PATH", async () => {
  const folder = await mkdtemp(join(tmpdir(), "of-builder-test-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const program = join(folder, "faas-cli");
  await writeFile(program, "#!/bin/sh\n", { mode: 0o755 });
  expect(await findFaasClis({ PATH: `/nonexistent:${folder}` })).toEqual([program]);
  expect(await findFaasClis({ PATH: folder, FAAS_CLI: "/one:/two" })).toEqual(["/one", "/two"]);
  expect(await findFaasClis({ PATH: folder, FAAS_CLI: "" })).toEqual([]);
  expect(await findFaasClis({ PATH: "/nonexistent" })).toEqual([]);
});
