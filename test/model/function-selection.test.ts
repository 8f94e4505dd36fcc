import { expect, test } from "vitest";
import { type Selection, selectFunctions } from "../../src/model/function-selection.ts";

const functions = ["api-users", "api-orders", "web", "7"].map((name) => ({ name }));
const names = async (selection: Selection) => (await selectFunctions(functions, selection)).map(({ name }) => name);

test.for([
  [{}, ["api-users", "api-orders", "web", "7"]],
  [{ filter: "", regex: "" }, ["api-users", "api-orders", "web", "7"]],
  [{ filter: "api-*" }, ["api-users", "api-orders"]],
  [{ filter: "**" }, ["api-users", "api-orders", "web", "7"]],
  [{ filter: "*e*s" }, ["api-users", "api-orders"]],
  [{ filter: "web" }, ["web"]],
  [{ filter: "*rs*rs" }, undefined],
  [{ filter: "we?" }, undefined],
  [{ filter: "api" }, undefined],
  [{ regex: "ers$" }, ["api-users", "api-orders"]],
  [{ regex: "(?i)WEB" }, ["web"]],
  [{ regex: "\\pN|^w" }, ["web", "7"]],
  [{ regex: "(?P<x>s)e" }, ["api-users"]],
  [{ regex: "nothing" }, undefined],
] as const)("%j selects %j", async ([selection, selected]) => {
  if (selected) expect(await names(selection)).toEqual(selected);
  else await expect(names(selection)).rejects.toThrow("no functions matching --filter/--regex were found");
});

test.for([
  ["[", "missing closing ]: `[`"],
  ["*", "missing argument to repetition operator: `*`"],
  ["(\\w)\\1", "invalid escape sequence: `\\1`"],
  ["(?=a)", "invalid or unsupported Perl syntax: `(?=`"],
  ["a{1001}", "invalid repeat count: `{1001}`"],
  ["a(", "missing closing ): `a(`"],
] as const)("the pattern %s is no expression for RE2, with Go's words", async ([regex, reason]) => {
  await expect(names({ regex })).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining(`error parsing regexp: ${reason}`),
  });
});

test("both at once are an error", async () => {
  await expect(names({ filter: "a", regex: "a" })).rejects.toThrow("pass in a regex or a filter, not both");
});

test("a glob of many stars and an expression of many choices take no time to speak of", async () => {
  const long = [{ name: "a".repeat(63) }];
  await expect(selectFunctions(long, { filter: `${"*a".repeat(40)}*b` })).rejects.toThrow("no functions");
  await expect(selectFunctions(long, { regex: "(a+)+$|(a|aa)*b" })).resolves.toEqual(long);
});
