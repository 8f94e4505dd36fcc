import { expect, test } from "vitest";
import { type Carried, parsePatterns } from "../../src/buildkit/patterns.ts";

/** Tests a path as the walk does: folder by folder from the root. */
function matches(lines: readonly string[], path: string): boolean {
  const patterns = parsePatterns(lines);
  const parts = path.split("/");
  let carried: Carried | undefined;
  let matched = false;
  for (let count = 1; count <= parts.length; count++) {
    ({ matched, carried } = patterns.match(parts.slice(0, count).join("/"), carried));
  }
  return matched;
}

test.for<[patterns: string[], path: string, matched: boolean]>([
  [["a"], "a", true],
  [["a"], "a/b/c", true],
  [["a"], "b/a", false],
  [["a"], "ab", false],
  [["/a/"], "a", false],
  [["a/"], "a", true],
  [["./a/../b//c"], "b/c", true],
  [["  a  "], "a", true],
  [["", "  "], "a", false],
  [["*"], ".hidden", true],
  [["*.txt"], "a.txt", true],
  [["*.txt"], "d/a.txt", false],
  [["*/*.txt"], "d/a.txt", true],
  [["**/*.txt"], "a.txt", true],
  [["**/*.txt"], "d/e/a.txt", true],
  [["**"], "any/thing", true],
  [["**/foo"], "foo", true],
  [["**/foo"], "a/b/foo/c", true],
  [["**/foo"], "a/xfoo", false],
  [["**foo"], "a/xfoo", true],
  [["a/**"], "a", false],
  [["a/**"], "a/b/c", true],
  [["a**"], "abc/d", true],
  [["a/**/b"], "a/b", true],
  [["a/**/b"], "a/x/y/b", true],
  [["a/**/b"], "a/xb", false],
  [["a**b"], "a/x/b", true],
  [["a**b"], "ab", true],
  [["a**b"], "axb", false],
  [["?"], "é", true],
  [["?"], "😀", true],
  [["a?b"], "a/b", false],
  [["[a-c]x"], "bx", true],
  [["[^a-c]x"], "bx", false],
  [["[^a-c]x"], "dx", true],
  [["[\\]]"], "]", true],
  [["\\*"], "*", true],
  [["\\*"], "a", false],
  [["a.b"], "axb", false],
  [["(a|b)+$"], "(a|b)+$", true],
  [["a", "!a/b"], "a/b", false],
  [["a", "!a/b"], "a/c", true],
  [["a", "!a/b", "a/b/c"], "a/b/c", true],
  [["!a", "a"], "a", true],
  [["a", "!a"], "a", false],
  [["*", "!**/*.go"], "cmd/main.go", false],
  [["*", "!**/*.go"], "cmd/main.c", true],
])("%j on %j: %j", ([patterns, path, matched]) => {
  expect(matches(patterns, path)).toBe(matched);
});

test.for([["[a"], ["[]"], ["[^]"], ["[z-a]"], ["[-a]"], ["a\\"], ["!"]])("%j is refused by name", (lines) => {
  expect(() => parsePatterns(lines)).toThrow(expect.objectContaining({ code: "context_invalid" }));
  expect(() => parsePatterns(lines)).toThrow(lines[0]?.slice(0, 1));
});

test("a pattern that would keep a backtracking matcher busy for ever ends", () => {
  const patterns = parsePatterns([`${"**/a*".repeat(20)}/b`]);
  const path = `${"a".repeat(60)}/`.repeat(30);
  expect(patterns.match(`${path}c`, undefined).matched).toBe(false);
});

test("more patterns than any person writes are refused", () => {
  expect(() => parsePatterns(Array.from({ length: 20_001 }, () => "a"))).toThrow("20001 patterns");
});

test.for<[lines: string[], folder: string, which: "plain" | "exception", may: boolean]>([
  [["a/b"], "a", "plain", true],
  [["a/b"], "c", "plain", false],
  [["a/*"], "a", "plain", true],
  [["a/**"], "b", "plain", false],
  [["*/x"], "b", "plain", true],
  [["a", "!a/b"], "a", "exception", true],
  [["a", "!c/b"], "a", "exception", false],
  [["a", "!*/b"], "a", "exception", true],
  [["a"], "a", "exception", false],
])("%j below %j, %s: %j", ([lines, folder, which, may]) => {
  expect(parsePatterns(lines).mayMatchBelow(folder, which)).toBe(may);
});
