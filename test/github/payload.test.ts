import { expect, test } from "vitest";
import { parseJson, secondsOf } from "../../src/github/payload.ts";

test.for([
  [1_700_000_000.9, 1_700_000_000],
  ["2026-11-22T12:00:00Z", 1_795_348_800],
  ["yesterday", 0],
  [null, 0],
  [undefined, 0],
] as const)("the time %j is read as %d seconds", ([time, seconds]) => {
  expect(secondsOf(time)).toBe(seconds);
});

test.for([
  ['{"id":9007199254740993}', { id: "9007199254740993" }],
  ['{"ids":[1, 12345678901234567890]}', { ids: [1, "12345678901234567890"] }],
  ['{"sha":"1111111111111111111111111111111111111111","id":7}', { sha: "1".repeat(40), id: 7 }],
] as const)("whole numbers of %s lose no digit", ([text, value]) => {
  expect(parseJson(Buffer.from(text))).toEqual(value);
});
