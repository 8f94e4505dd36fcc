import { expect, test } from "vitest";
import { globExpression } from "../../src/model/glob.ts";

test.for([
  ["main", "main", true],
  ["main", "mainline", false],
  ["release/*", "release/1.0", true],
  ["release/*", "release/1/2", false],
  ["release/**", "release/1/2", true],
  ["*", "dev", true],
  ["*", "a/b", false],
  ["**", "a/b", true],
  ["**/*.md", "README.md", true],
  ["**/*.md", "docs/a/b.md", true],
  ["v?.*", "v1.2", true],
  ["v?.*", "v10.2", false],
  ["a.b", "axb", false],
  ["a+(b)[c]{d}|e$", "a+(b)[c]{d}|e$", true],
  ["emoji-?", "emoji-🚀", true],
] as const)("the pattern %s for %s: %j", ([glob, name, fits]) => {
  expect(globExpression(glob).test(name)).toBe(fits);
});
