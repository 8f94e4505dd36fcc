import { expect, test } from "vitest";
import { formatBytes, formatSeconds } from "../../src/cli/progress-numbers.ts";

test.for([
  [0, "0.0s"],
  [1.24, "1.2s"],
  [-1, "0.0s"],
  [99.4, "99.4s"],
  [99.97, "1m 40s"],
  [125, "2m 05s"],
  [3725, "62m 05s"],
] as const)("%f seconds are told as %s", ([seconds, text]) => {
  expect(formatSeconds(seconds)).toBe(text);
});

test.for([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1 kB"],
  [12_400_000, "12.4 MB"],
  [999_960, "1 MB"],
  [40_000_000, "40 MB"],
  [3.2e12, "3.2 TB"],
] as const)("%i bytes are told as %s", ([bytes, text]) => {
  expect(formatBytes(bytes)).toBe(text);
});
