import { expect, test } from "vitest";
import { createFilesContext } from "../../src/contexts/files.ts";
import { parseIgnoreFile, readIgnorePatterns } from "../../src/contexts/ignore-file.ts";

test.for<[string, readonly string[]]>([
  ["", []],
  ["a\nb\n", ["a", "b"]],
  ["a\r\nb\r\n", ["a", "b"]],
  ["\u{feff}a", ["a"]],
  ["# comment\na # no comment\n #no comment", ["a # no comment", "#no comment"]],
  ["  a  \n\t\n", ["a"]],
  ["/a\n//b\n/", ["a", "b", "/"]],
  ["a/\na/b/../c\n./d", ["a", "a/c", "d"]],
  ["!a\n! b \n!/c\n!", ["!a", "!b", "!c", "!"]],
  ["**/*.md\n!README.md", ["**/*.md", "!README.md"]],
])("%j are the patterns that BuildKit makes of it", ([text, patterns]) => {
  expect(parseIgnoreFile(text)).toEqual(patterns);
});

test("a Dockerfile's own file goes before the context's", async () => {
  const read = (files: Record<string, string>) =>
    readIgnorePatterns(
      createFilesContext(Object.fromEntries(Object.entries(files).map(([path, content]) => [path, { content }]))),
    );
  expect(await read({})).toEqual([]);
  expect(await read({ ".dockerignore": "a" })).toEqual(["a"]);
  expect(await read({ ".dockerignore": "a", "Dockerfile.dockerignore": "b" })).toEqual(["b"]);
});
