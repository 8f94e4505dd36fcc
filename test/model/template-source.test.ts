import { expect, test } from "vitest";
import { createSourceRule, parseLang, pinnedSource, sourceAt } from "../../src/model/template-source.ts";

test.for([
  ["go", "go", ""],
  ["go@v1.0", "go", "v1.0"],
  ["go@", "go", ""],
] as const)("the lang %s means template/%s at %j", ([lang, folder, ref]) => {
  expect(parseLang(lang)).toEqual({ folder, ref });
});

test.for([
  ["https://h/t.git", "", "https://h/t.git"],
  ["https://h/t.git", "v1", "https://h/t.git#v1"],
  ["https://h/t.git#v1", "", "https://h/t.git#v1"],
  ["https://h/t.git#v1", "v1", "https://h/t.git#v1"],
  ["https://h/t.git#v1", "v2", undefined],
] as const)("the source %s at ref %j is %s", ([source, ref, expected]) => {
  expect(sourceAt(source, ref)).toBe(expected);
});

test("a source at a commit has no other ref", () => {
  expect(pinnedSource("https://h/t.git#v1", "1234")).toBe("https://h/t.git#sha-1234");
});

const patterns = [
  "https://github.com/openfaas/templates.git",
  "https://github.com/pinned/templates#v1.0",
  "https://github.com/mine/*",
  "https://git.example:8443/deep/*/templates-*",
  "https://github.com/commits/ok#sha-*",
];

test.for([
  "https://github.com/openfaas/templates.git",
  "https://github.com/openfaas/templates",
  "https://GitHub.com/openfaas/templates/",
  "https://github.com:443/openfaas/templates",
  "https://github.com/openfaas/templates.git#feature/x",
  "https://github.com/pinned/templates.git#v1.0",
  "https://github.com/mine/anything#v2",
  "https://git.example:8443/deep/er/templates-go",
  "https://github.com/commits/ok#sha-0123456789012345678901234567890123456789",
])("the source %s is allowed", (source) => {
  expect(createSourceRule(patterns)(source)).toBe(true);
});

test.for([
  "http://169.254.169.254/latest/meta-data",
  "https://169.254.169.254/openfaas/templates.git",
  "https://localhost/openfaas/templates.git",
  "https://[::ffff:127.0.0.1]/openfaas/templates.git",
  "https://[::ffff:a9fe:a9fe]/openfaas/templates.git",
  "https://2852039166/openfaas/templates.git",
  "https://169.254.169.254.nip.io/openfaas/templates.git",
  "https://github.com./openfaas/templates.git",
  "https://github.com.evil.example/openfaas/templates.git",
  "https://github.com@evil.example/openfaas/templates.git",
  "https://user:password@github.com/openfaas/templates.git",
  "https://evil.example/?https://github.com/openfaas/templates.git",
  "https://evil.example/#https://github.com/openfaas/templates.git",
  "https://github.com/openfaas/templates.git?x=1",
  "https://github.com/openfaas/templates-evil.git",
  "https://github.com/openfaas/templates.git/../../evil/templates.git",
  "https://github.com/openfaas/%2e%2e/evil/templates.git",
  "https://github.com/mine/../evil/templates.git",
  "https://github.com/mine/a/b",
  "https://github.com/mine/",
  "https://github.com/pinned/templates",
  "https://github.com/pinned/templates#v1.0.1",
  "https://github.com/commits/ok#main",
  "https://git.example/deep/er/templates-go",
  "http://github.com/openfaas/templates.git",
  "git://github.com/openfaas/templates.git",
  "ssh://git@github.com/openfaas/templates.git",
  "git@github.com:openfaas/templates.git",
  "file:///openfaas/templates.git",
  "ext::sh -c id",
  "--upload-pack=id",
  "/etc",
  "../templates",
  "",
])("S8 the source %j is not allowed", (source) => {
  expect(createSourceRule(patterns)(source)).toBe(false);
});

test.for([
  "sha-0123456789012345678901234567890123456789",
  "sha-0123456",
  "SHA-0123456",
  "%73ha-0123456",
  "0".repeat(40),
])("S8 a commit of an allowed repository, %s, may be that of a stranger's fork and is not allowed", (commit) => {
  expect(createSourceRule(patterns)(`https://github.com/openfaas/templates.git#${commit}`)).toBe(false);
});

test("S8 a rule without patterns allows nothing", () => {
  expect(createSourceRule([])("https://github.com/openfaas/templates.git")).toBe(false);
});
