import { expect, test } from "vitest";
import { substitute } from "../../src/model/substitute.ts";

const variables = { A: "alpha", E: "", V: "p/q/file.tar.gz" };
const run = (text: string) => substitute(text, variables, "stack.yml");

test.for([
  ["${A}", "alpha"],
  ["${U}", ""],
  ["$A", "$A"],
  ["${U:-d}", "d"],
  ["${U:=d}", "d"],
  ["${U=d}", "d"],
  ["${U:?d}", "d"],
  ["${U:+alt}", "alt"],
  ["${A:+alt}", "alpha"],
  ["${E:-d}", "d"],
  ["$${A}", "${A}"],
  ["$$A", "$A"],
  ["$$${A}", "$alpha"],
  ["\\\\", "\\"],
  ["\\/", "/"],
  ["\\n", "\\n"],
  ["${U:-${A}}", "alpha"],
  ["${A^}", "Alpha"],
  ["${A^^}", "ALPHA"],
  ["${A,}", "alpha"],
  ["${A,,}", "alpha"],
  ["${#A}", "5"],
  ["${A:0:2}", "al"],
  ["${A:1}", "lpha"],
  ["${A:2:-1}", "ph"],
  ["${A: -2}", "ha"],
  ["${A/l/L}", "aLpha"],
  ["${A//a/X}", "XlphX"],
  ["${A/#a/X}", "Xlpha"],
  ["${A/%a/X}", "alphX"],
  ["${A/a}", "lpha"],
  ["${V##*/}", "file.tar.gz"],
  ["${V#*/}", "q/file.tar.gz"],
  ["${V%%.*}", "p/q/file"],
  ["${V%.gz}", "p/q/file.tar"],
  ["${V#p/}", "q/file.tar.gz"],
  ["${A%[h-z]a}", "alp"],
  ["a ${A} b ${U:-c}\n# ${A}", "a alpha b c\n# alpha"],
])("%s becomes %j", ([text = "", result]) => {
  expect(run(text)).toBe(result);
});

test.for([
  ["${U-d}", "missing closing brace"],
  ["${U?d}", "missing closing brace"],
  ["${U+d}", "missing closing brace"],
  ["${A.B}", "missing closing brace"],
  ["${A", "missing closing brace"],
  ["${}", "unable to parse variable name"],
  ["${", "unable to parse variable name"],
  ["${A:x}", 'expected a number, found "x"'],
] as const)("%s is an error: %s", ([text, message]) => {
  expect(() => run(`ok\n${text}`)).toThrow(
    expect.objectContaining({ message: expect.stringContaining(message), location: { path: "stack.yml", line: 2 } }),
  );
});

test("S6 only the given variables are seen", () => {
  expect(run("${PATH}${HOME}${constructor}${__proto__}")).toBe("");
});

test("S6 fifty-one expressions inside each other are refused", () => {
  expect(() => run(`${"${U:-".repeat(51)}${"}".repeat(51)}`)).toThrow("inside each other");
});
