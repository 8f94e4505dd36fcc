import { expect, test } from "vitest";
import { matchesPattern, parsePattern } from "../../src/model/wildcard.ts";

const matches = (pattern: string, text: string) => {
  const parsed = parsePattern(pattern);
  return parsed && matchesPattern(parsed, [...text]);
};

test.for([
  ["abc", "abc", true],
  ["abc", "abcd", false],
  ["*", "", true],
  ["a*c", "a/b/c", true],
  ["*a*b*", "xaxbx", true],
  ["?", "é", true],
  ["?", "", false],
  ["[a-c]x", "bx", true],
  ["[^a-c]x", "bx", false],
  ["[^a-c]x", "dx", true],
  ["[\\]]", "]", true],
  ["\\*", "*", true],
  ["\\*", "a", false],
  ["[a", "a", undefined],
  ["[]a]", "a", undefined],
  ["[a-]", "a", undefined],
  ["a\\", "a", undefined],
] as const)("%s and %j: %s", ([pattern, text, result]) => {
  expect(matches(pattern, text)).toBe(result);
});
