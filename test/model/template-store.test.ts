import { expect, test } from "vitest";
import { findStored, parseTemplateStore } from "../../src/model/template-store.ts";

/** An entry with the keys of the published list. */
const entry = (template: string, rest = {}) => ({
  template,
  platform: "x86_64",
  language: "Go",
  source: "owner",
  description: "text",
  repo: `https://github.com/owner/${template}`,
  official: "false",
  ...rest,
});

test("templates come in order: recommended, official, by name", () => {
  const list = [
    entry("d"),
    entry("c", { official: "true" }),
    entry("b"),
    entry("a", { official: "true" }),
    entry("z", { recommended: true }),
    entry("y", { recommended: true, official: "true" }),
  ];
  expect(parseTemplateStore(JSON.stringify(list)).map(({ template }) => template)).toEqual("yzacbd".split(""));
});

test("entries without a name or a repository are left out, whatever they have as source", () => {
  const list = [
    entry("a"),
    entry("b", { repo: "" }),
    { template: "c", source: "https://github.com/owner/c" },
    { repo: "x" },
    null,
    1,
    "x",
    [],
    { template: 1, repo: "x" },
  ];
  expect(parseTemplateStore(JSON.stringify(list)).map(({ template }) => template)).toEqual(["a"]);
});

test.for(["", "x", "{}", "null", '"x"'])("%j is no store", (text) => {
  expect(() => parseTemplateStore(text)).toThrow(SyntaxError);
});

test("NAME is the first of its name, SOURCE/NAME is that source's, and the address is the repository's", () => {
  const list = [
    entry("go", { source: "someone", repo: "https://github.com/someone/templates" }),
    entry("go", { source: "openfaas", repo: "https://github.com/openfaas/templates", official: "true" }),
    { template: "plain", repo: "https://github.com/owner/plain" },
  ];
  const templates = parseTemplateStore(JSON.stringify(list));
  const repoOf = (name: string) => findStored(templates, name)?.repo;
  expect(["go", "openfaas/go", "someone/go", "nobody/go", "openfaas", "plain"].map(repoOf)).toEqual([
    "https://github.com/openfaas/templates",
    "https://github.com/openfaas/templates",
    "https://github.com/someone/templates",
    undefined,
    undefined,
    "https://github.com/owner/plain",
  ]);
});
