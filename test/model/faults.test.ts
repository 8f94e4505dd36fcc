import { expect, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { createFindings, excerptOf, faultAt, faultText, joinErrors } from "../../src/model/faults.ts";

function thrownBy(work: () => void): BuilderError {
  try {
    work();
  } catch (error) {
    if (error instanceof BuilderError) return error;
  }
  throw new Error("nothing was thrown");
}

const at = (line: number, column: number) => ({ path: "stack.yml", line, column });

test.for([
  ["a: b", 4, "1 | a: b\n  |    ^"],
  ["\tx: y", 2, "1 |         x: y\n  |         ^"],
  ["größe: 名前", 8, "1 | größe: 名前\n  |        ^"],
  ["名前: x", 5, "1 | 名前: x\n  |       ^"],
  ["a: \u001b[31mred", 4, "1 | a: red\n  |    ^"],
  ["a: \u202egnp.exe", 4, "1 | a: gnp.exe\n  |    ^"],
] as const)("the line %j has its caret below column %i", ([text, column, shown]) => {
  expect(excerptOf(text, at(1, column))).toBe(shown);
});

test("a long line is cut around the caret", () => {
  const [line = "", caret = ""] = excerptOf(`${"x".repeat(5000)}HERE${"y".repeat(5000)}`, at(1, 5001)).split("\n");
  expect(line.length).toBeLessThan(120);
  expect(line.slice(caret.indexOf("^"))).toMatch(/^HERE/);
});

test("a place behind the end of the text shows an empty line", () => {
  expect(excerptOf("a", at(9, 1))).toBe("9 | \n  | ^");
});

test("a fault in a terminal is place, sentence and line, harmless whatever it names", () => {
  const [fault] = faultAt("a: b", {
    code: "stack_invalid",
    message: "bad \u001b[2J\nthing",
    location: at(1, 4),
  }).faults;
  expect(fault && faultText(fault)).toBe("stack.yml:1:4: bad thing\n  1 | a: b\n    |    ^");
});

test("nobody has to read more than twenty faults of a file, and none twice; how many there are is told", () => {
  const findings = createFindings("text");
  for (let line = 1; line < 50; line++) {
    findings.fault("bad", at(line, 1));
    findings.fault("bad", at(line, 1));
    findings.warn("odd", at(line, 1));
  }
  expect(findings.warnings).toHaveLength(20);
  expect(() => findings.check()).toThrow(
    expect.objectContaining({ message: "stack.yml line 1: bad (and 97 more)", faultCount: 98 }),
  );
  const thrown = thrownBy(() => findings.check());
  expect(thrown.faults.map(({ location }) => location.line)).toEqual(Array.from({ length: 20 }, (_, at) => at + 1));
});

test("of more faults than anyone counts the number is the least that there are", () => {
  const findings = createFindings("text");
  for (let line = 1; line < 20_000; line++) findings.fault("bad", at(line, 1));
  expect(() => findings.check()).toThrow("stack.yml line 1: bad (and at least 9999 more)");
});

test("without a fault there is nothing to throw", () => {
  const findings = createFindings("text");
  findings.warn("odd", at(1, 1));
  expect(() => findings.check()).not.toThrow();
});

test("errors of several places become one that tells all, with the first one's code and fix", () => {
  const one = faultAt("a", { code: "name_invalid", message: "one", location: at(1, 1) });
  const two = faultAt("a", { code: "stack_invalid", message: "two", location: at(1, 1) });
  const joined = joinErrors([one, two]);
  expect(joined).toBeInstanceOf(BuilderError);
  expect(joined).toMatchObject({ code: "name_invalid", message: "stack.yml line 1: one (and 1 more)" });
  expect(joined.faults.map(({ message }) => message)).toEqual(["one", "two"]);
});

test("errors that are joined are counted in full, the same one once, and as the least where not all were looked for", () => {
  const many = createFindings("a");
  for (let line = 1; line < 31; line++) many.fault("bad", at(line, 1));
  const file = thrownBy(() => many.check());
  const one = faultAt("a", { code: "name_invalid", message: "one", location: at(1, 1) });
  const { message, faults, faultCount } = joinErrors([one, file, file], { warnings: one.faults });
  expect([message, faults.length, faultCount]).toEqual(["stack.yml line 1: one (and 31 more)", 20, 32]);
  expect(joinErrors([one, file], { isWhole: false }).message).toBe("stack.yml line 1: one (and at least 30 more)");
});
