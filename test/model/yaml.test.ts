import { expect, test, vi } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { parseYaml, readYaml } from "../../src/model/yaml.ts";
import { textMap, type YamlValue } from "../../src/model/yaml-value.ts";

/** A busy machine takes its time. */
vi.setConfig({ testTimeout: 60_000 });

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
  ["!!str ~", "~"],
  ["!!binary aGk=", "hi"],
  ["!custom 1.10", "1.10"],
  ["!!float 1.10", "1.10"],
  ["!!timestamp 2020-01-01", "2020-01-01"],
])("S5 the scalar %s is read as the text %j", ([source, text]) => {
  expect(read(`key: ${source}`).get("key")?.text()).toBe(text);
});

test.for([
  ["true", true],
  ["yes", true],
  ["On", true],
  ["y", true],
  ["YES", true],
  ['"yes"', true],
  ['!!bool "true"', true],
  ["TRUE", true],
  ["false", false],
  ["off", false],
  ["'N'", false],
  ["", false],
  ["~", false],
] as const)("S5 %s is the flag %s", ([source, flag]) => {
  expect(read(`key: ${source}`).get("key")?.flag()).toBe(flag);
});

test('a quoted "true" is no flag', () => {
  expect(() => read('key: "true"').get("key")?.flag()).toThrow(
    'stack.yml line 1: key: expected true or false, found "true"',
  );
});

test("merges fill what a map does not say itself", () => {
  const fields = read("base: &base {a: 1, b: 2}\nfn:\n  <<: *base\n  b: 3\n");
  expect({ ...textMap(fields.get("fn")) }).toEqual({ a: "1", b: "3" });
});

test.for([
  ["two merges in one map", "b: &b {x: 1}\nm:\n  <<: *b\n  <<: {y: 1}\n", 'key "<<" already defined at line 3', [4, 3]],
  ["nothing to merge", "m:\n  <<: ~\n", "<<: expected a map, or a list of maps, found", [2, 7]],
  ["a merge of no value", "m:\n  <<:\n", "<<: expected a map, or a list of maps, found", [2, 6]],
  ["a text to merge", "m: {<<: x}\n", '<<: expected a map, or a list of maps, found "x"', [1, 9]],
  ["the alias of a list to merge", "b: &b [{x: 1}]\nm: {<<: *b}\n", "found the alias of a list", [2, 9]],
  ["a list in a list to merge", "m: {<<: [[{x: 1}]]}\n", "found a list", [1, 10]],
  ["a text in a list to merge", "m: {<<: [{x: 1}, y]}\n", 'found "y"', [1, 18]],
] as const)("S5 %s is an error with its place", ([, text, message, [line, column]]) => {
  expect(() => textMap(read(text).get("m"))).toThrow(
    expect.objectContaining({
      message: expect.stringContaining(message),
      location: expect.objectContaining({ line, column }),
    }),
  );
});

test.for([
  ["!!binary '%%'", "base64"],
  ["!!binary aGk", "base64"],
  ["!!int x", "a whole number"],
  ["!!int 3.5", "a whole number"],
  ["!!int 08", "a whole number"],
  ["!!int 0o", "a whole number"],
  ["!!int ~", "a whole number"],
  ["!!int 99999999999999999999", "a whole number"],
  ["!!float x", "a number"],
  ["!!float 1e400", "a number"],
  ["!!bool yes", "true or false"],
  ["!!bool ~", "true or false"],
  ["!!null x", "nothing, ~ or null"],
  ["!!timestamp 2020-13-01", "a date"],
] as const)("S5 %s is an error: expected %s", ([source, expected]) => {
  expect(() => read(`key: ${source}`).get("key")?.text()).toThrow(`key: expected ${expected} behind !!`);
  expect(() => read(`key: ${source}`).get("key")?.flag()).toThrow("key: expected true or false");
});

test.for([
  ["%YAML 3.0", "%YAML 1.1\n%YAML 3.0\n---\na: b\n", 2],
  ["%YAML 1.2", "%YAML 1.2\n---\na: b\n", 1],
  ["%YAML 1.1", "# one\n%YAML 1.1\n%YAML 1.1\n---\na: b\n", 3],
  ["%FOO x", "%FOO x\n---\na: b\n", 1],
] as const)("S5 the directive %s is refused where it is not the one and first %%YAML 1.1", ([shown, text, line]) => {
  expect(() => read(text)).toThrow(`stack.yml line ${line}: directive "${shown}" is not known`);
});

test("S5 what stands behind the document's beginning is no directive", () => {
  expect(read("%YAML 1.1 # old\n%TAG ! tag:x\n---\na: |\n  %YAML 3.0\n").get("a")?.text()).toBe("%YAML 3.0\n");
});

test.for([
  ["CR alone", "a: b\rc: d\n", "U+000D"],
  ["NEL", 'a: "b\u0085c"\n', "U+0085"],
  ["a line separator", "a: b\u2028c\n", "U+2028"],
  ["a paragraph separator", "# b\u2029c: d\n", "U+2029"],
] as const)("S5 a line that ends in %s is refused", ([, text, sign]) => {
  expect(() => read(text)).toThrow(`stack.yml line 1: lines end in LF, or CR LF: found ${sign}`);
});

test("lines end in CR LF, too, and signs that once ended lines may be written as escapes", () => {
  expect(read('a: "b\\u2028c"\r\nd: e\r\n').get("a")?.text()).toBe("b\u2028c");
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

test.for(["tRue", "yEs", "1", "maybe", "!!str true", "!!bool yes", "[a]"])("S5 %s is no flag", (source) => {
  expect(() => read(`key: ${source}`).get("key")?.flag()).toThrow("expected true or false");
});

test("null items of a list are left out, as Go leaves them out", () => {
  const items = read("a: [x, ~, y, null]\n").get("a")?.items();
  expect(items?.map((item) => item.text())).toEqual(["x", "y"]);
});

test("an earlier merge wins over a later one, and the map itself over both", () => {
  const fields = read("b: &b {x: 1, y: 1}\nc: &c {y: 2, z: 2}\nm: {<<: [*b, *c], z: 3}\n");
  expect({ ...textMap(fields.get("m")) }).toEqual({ x: "1", y: "1", z: "3" });
});

test("all faults of a file are told at once, each with line, column, line and caret", () => {
  const text = "a: [1]\nb:\n  - {c: maybe}\nd: x\n";
  const thrown = faultsOf(() =>
    readYaml(text, "stack.yml", (root) => {
      const fields = root.fields();
      fields.get("d")?.items();
      fields.get("b")?.items()[0]?.fields().get("c")?.flag();
      fields.get("a")?.text();
    }),
  );
  expect(thrown.message).toBe("stack.yml line 1: a: expected a text, found a list (and 2 more)");
  expect(thrown.faults).toEqual([
    {
      message: "a: expected a text, found a list",
      location: { path: "stack.yml", line: 1, column: 4 },
      excerpt: "1 | a: [1]\n  |    ^",
    },
    {
      message: 'c: expected true or false, found "maybe"',
      location: { path: "stack.yml", line: 3, column: 9 },
      excerpt: "3 |   - {c: maybe}\n  |         ^",
    },
    {
      message: 'd: expected a list, found "x"',
      location: { path: "stack.yml", line: 4, column: 4 },
      excerpt: "4 | d: x\n  |    ^",
    },
  ]);
});

test("every line at which the text is no YAML is told", () => {
  const { faults } = faultsOf(() => parseYaml("a: b: c\nd: [1\ne: {\n", "stack.yml"));
  expect(faults.map(({ location }) => location.line)).toEqual(expect.arrayContaining([1]));
  expect(faults.length).toBeGreaterThan(1);
});

test("S5 a key that stands twice names the line of the first", () => {
  expect(() => read("fn: 1\nx: 2\nfn: 3\n")).toThrow('mapping key "fn" already defined at line 1');
});

test.for([
  ["NUL", "a: \0", "U+0000"],
  ["an escape", "a: \u001b[31m", "U+001B"],
  ["half a character", "a: \ud800", "U+D800"],
] as const)("S5 %s is refused by its number", ([, text, sign]) => {
  expect(() => parseYaml(text, "stack.yml")).toThrow(`control characters are not allowed: found ${sign}`);
});

test("S5 a mark of byte order is no part of the text, a tag of another language means nothing", () => {
  expect(read("\ufeffa: !!js/function 'x'\n").get("a")?.text()).toBe("x");
});

test.for([
  ["an unknown anchor", "a: *b\n", 'unknown anchor "b" referenced'],
  ["an anchor inside itself", "a: &a\n  b: [*a]\n", 'anchor "a" value contains itself'],
] as const)("S5 %s is an error", ([, text, message]) => {
  expect(() => parseYaml(text, "stack.yml")).toThrow(message);
});

test("S5 aliases cannot make little text stand for very much", () => {
  const text = `x: &x {k: ${"v".repeat(2000)}}\nm:\n${Array.from({ length: 900 }, (_, at) => `  k${at}: *x\n`).join("")}`;
  const all = () => [...(read(text).get("m")?.fields().values() ?? [])].map((value) => textMap(value));
  expect(all).toThrow("says more than is read of one");
});

test("S5 aliases of aliases cannot make little text stand for very much: a billion laughs", () => {
  const level = (at: number) => `l${at + 1}: &l${at + 1} [${Array(10).fill(`*l${at}`).join(", ")}]\n`;
  const laugh = (value?: YamlValue): number => (value?.items() ?? []).reduce((sum, item) => sum + laugh(item), 1);
  const laughs = (levels: number) => `l0: &l0 []\n${Array.from({ length: levels }, (_, at) => level(at)).join("")}`;
  expect(laugh(read(laughs(2)).get("l2"))).toBe(111);
  expect(() => laugh(read(laughs(12)).get("l12"))).toThrow("says more than is read of one");
  expect(() => read(laughs(12))).not.toThrow();
});

test("S5 merges of merges cannot make few keys stand for very many: a merge bomb", () => {
  const level = (at: number) => `m${at + 1}: &m${at + 1} {<<: [${Array(9).fill(`*m${at}`).join(", ")}]}\n`;
  const first = `m0: &m0 {${Array.from({ length: 100 }, (_, at) => `k${at}: x`).join(", ")}}\n`;
  const merged = (levels: number) =>
    textMap(read(first + Array.from({ length: levels }, (_, at) => level(at)).join("")).get(`m${levels}`));
  expect(Object.keys(merged(1))).toHaveLength(100);
  expect(() => merged(12)).toThrow("says more than is read of one");
  expect(() => merged(30)).toThrow("more than 20 merges inside each other");
});

test("S5 a mebibyte of keys is read in proportion to its length", () => {
  const text = Array.from({ length: 20_000 }, (_, at) => `key${at}: x\n`).join("");
  expect(() => read(text)).not.toThrow();
  const aliases = Array.from({ length: 900 }, (_, at) => `b${at}: *a\n`).join("");
  expect(() => read(`${text}a: &a [x]\n${aliases}`)).not.toThrow();
});

function faultsOf(work: () => unknown): BuilderError {
  try {
    work();
  } catch (error) {
    if (error instanceof BuilderError) return error;
  }
  throw new Error("expected faults");
}
