import { expect, test } from "vitest";
import { parseYaml, textMap } from "../../src/model/yaml.ts";

const read = (text: string) => parseYaml(text, "stack.yml").fields();

test.for([
  ["1.10", "1.10"],
  ["0123", "0123"],
  ["true", "true"],
  ["yes", "yes"],
  ["1e3", "1e3"],
  ["0x10", "0x10"],
  ["2020-01-01", "2020-01-01"],
  ["1_000", "1_000"],
  [".5", ".5"],
  ["~", ""],
  ["null", ""],
  ["", ""],
  ['"quoted ~"', "quoted ~"],
  ["'null'", "null"],
])("the scalar %s is read as the text %j", ([source, text]) => {
  expect(read(`key: ${source}`).get("key")?.text()).toBe(text);
});

test.for([
  ["true", true],
  ["yes", true],
  ["On", true],
  ["y", true],
  ["false", false],
  ["off", false],
] as const)("%s is the flag %s", ([source, flag]) => {
  expect(read(`key: ${source}`).get("key")?.flag()).toBe(flag);
});

test('a quoted "true" is no flag', () => {
  expect(() => read('key: "true"').get("key")?.flag()).toThrow(
    'stack.yml line 1: expected true or false, found "true"',
  );
});

test("merges fill what a map does not say itself", () => {
  const fields = read("base: &base {a: 1, b: 2}\nfn:\n  <<: *base\n  b: 3\n");
  expect({ ...textMap(fields.get("fn")) }).toEqual({ a: "1", b: "3" });
});

test.for([
  ["a key that stands twice", "a: 1\na: 2\n", 2],
  ["a tab as indentation", "a:\n\tb: 1\n", 2],
  ["an open bracket", "a: [1, 2\n", 2],
] as const)("S5 %s is an error with its line", ([, text, line]) => {
  expect(() => read(text)).toThrow(
    expect.objectContaining({ code: "stack_invalid", location: expect.objectContaining({ line }) }),
  );
});

test("S5 a text, a list and a map are told apart", () => {
  expect(() => read("a: [1]").get("a")?.text()).toThrow("expected a text, found a list");
  expect(() => read("a: 1").get("a")?.items()).toThrow('expected a list, found "1"');
  expect(() => read("a: [1]").get("a")?.fields()).toThrow("expected a map, found a list");
});

test("S5 a second document is not looked at", () => {
  expect(read("a: 1\n---\nb: 2\n").has("b")).toBe(false);
});

test("S5 a key named __proto__ is a key like any other", () => {
  const map = textMap(read("m:\n  __proto__: x\n").get("m"));
  expect(Object.keys(map)).toEqual(["__proto__"]);
  expect(({} as { x?: string }).x).toBeUndefined();
});

test("S5 a map that merges itself ends in an error", () => {
  expect(() => textMap(read("a: &a\n  <<: *a\n  b: 1\n").get("a"))).toThrow(
    expect.objectContaining({ code: "stack_invalid" }),
  );
});

test("S5 ten thousand brackets inside each other end in an error", () => {
  expect(() => parseYaml(`a: ${"[".repeat(10_000)}${"]".repeat(10_000)}`, "stack.yml").fields()).toThrow(
    expect.objectContaining({ code: "stack_invalid" }),
  );
});

test("S5 more than a thousand aliases are refused", () => {
  const text = `a: &a x\nb: [${"*a, ".repeat(1001)}]\n`;
  expect(() => parseYaml(text, "stack.yml")).toThrow("more than 1000 aliases");
});

test("S5 a text of more than a mebibyte is refused", () => {
  expect(() => parseYaml(`a: ${"x".repeat(1024 * 1024)}`, "stack.yml")).toThrow("larger than 1 MiB");
});
