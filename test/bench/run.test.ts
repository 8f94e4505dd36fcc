import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const run = fileURLToPath(new URL("../../bench/run.ts", import.meta.url));

test.for([[[]], [["nonesuch"]], [["constructor"]], [["push", "more"]]])(
  "%j is no bench: the ones there are are listed, and the exit code tells wrong use",
  { timeout: 60_000 },
  ([args = []]) => {
    const { status, stderr, stdout } = spawnSync(process.execPath, [run, ...args], { encoding: "utf8" });
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain("usage: npm run bench -- NAME");
    expect(stderr).toMatch(/^ {2}push +20 functions built and pushed/m);
  },
);
