import { expect, test } from "vitest";
import { secondsOf } from "../../src/github/payload.ts";

test.for([
  [1_700_000_000.9, 1_700_000_000],
  ["2026-11-22T12:00:00Z", 1_795_348_800],
  ["yesterday", 0],
  [null, 0],
  [undefined, 0],
] as const)("the time %j is read as %d seconds", ([time, seconds]) => {
  expect(secondsOf(time)).toBe(seconds);
});
