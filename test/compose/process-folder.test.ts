import { spawnSync } from "node:child_process";
import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openProcessFolder } from "../../src/compose/process-folder.ts";
import { createScratch } from "../database/scratch.ts";

test("a process gets a folder of its own, and what dead ones left goes, but not what living ones have", async () => {
  await using scratch = await createScratch();
  const { pid } = spawnSync("true");
  const dead = `${hostname()}-${pid}-0a1b2c3d`;
  const [young, old] = ["elsewhere-1-0a1b2c3d", "elsewhere-2-0a1b2c3d"];
  for (const name of [dead, young, old, "of an earlier version"])
    await mkdir(join(scratch.path, name, "x"), { recursive: true });
  await writeFile(join(scratch.path, dead, "x", "file"), "left");
  await utimes(join(scratch.path, old), 0, 0);

  await using first = await openProcessFolder(scratch.path);
  await using second = await openProcessFolder(scratch.path);
  expect(first.path).not.toBe(second.path);
  expect((await readdir(scratch.path)).sort()).toEqual([young, first.name, second.name].sort());
});
