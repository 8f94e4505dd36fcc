import { expect, test } from "vitest";
import { readConfig } from "../src/config.ts";

test("build_branch is read as branches with what they are for", () => {
  expect(readConfig({ build_branch: "main=production, release/*=staging, dev" }).branchRules).toEqual([
    { glob: "main", environment: "production" },
    { glob: "release/*", environment: "staging" },
    { glob: "dev", environment: "" },
  ]);
  expect(() => readConfig({ build_branch: "main=a b" })).toThrow(
    'expected BRANCH or BRANCH=ENVIRONMENT, found "main=a b"',
  );
});

test("the sweep and the poll have Go's durations, and 0s ends them", () => {
  const { sweepIntervalMs, pollIntervalMs } = readConfig({ sweep_interval: "1m30s", poll_interval: "0s" });
  expect([sweepIntervalMs, pollIntervalMs]).toEqual([90_000, 0]);
  expect(readConfig({}).sweepIntervalMs).toBe(120_000);
  expect(() => readConfig({ sweep_interval: "2 minutes" })).toThrow(/sweep_interval="2 minutes": expected a duration/);
});
