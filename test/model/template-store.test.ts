import { expect, test } from "vitest";
import { parseTemplateStore } from "../../src/model/template-store.ts";

const entry = (template: string, rest = {}) => ({
  template,
  platform: "x86_64",
  language: "Go",
  source: `https://github.com/o/${template}`,
  description: "text",
  repo: "o",
  official: "false",
  ...rest,
});

test("templates come in faas-cli's order: recommended, official, by name", () => {
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

test("entries without a name or a source are left out", () => {
  const list = [
    entry("a"),
    entry("b", { source: "" }),
    { source: "x" },
    null,
    1,
    "x",
    [],
    { template: 1, source: "x" },
  ];
  expect(parseTemplateStore(JSON.stringify(list)).map(({ template }) => template)).toEqual(["a"]);
});

test.for(["", "x", "{}", "null", '"x"'])("%j is no store", (text) => {
  expect(() => parseTemplateStore(text)).toThrow(SyntaxError);
});
