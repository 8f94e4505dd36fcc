import { expect, test } from "vitest";
import { BuilderError, type Fault } from "../../src/errors.ts";
import { plan, stack } from "./planning.ts";

const secret = "s3cr3t-0123456789";
const variables = {
  LINES: "first\n    second: x\n    third",
  LONG: "a".repeat(200),
  SHORT: "b",
  SECRET: secret,
  WORD: "x: y",
};

/** What a stack whose variables are substituted is told. */
async function faultsOf(text: string): Promise<readonly Fault[]> {
  const failure = await plan({ "stack.yml": text }, { variables }).catch((error: unknown) => error);
  return failure instanceof BuilderError ? failure.faults : [];
}

test.for([
  ["several lines", "LINES"],
  ["more text than its name", "LONG"],
  ["less text than its name", "SHORT"],
  ["nothing", "UNSET"],
])("behind a variable of %s a fault stands where the file as written has it", async ([, name]) => {
  const first = `  a: {fprocess: "\${${name}}", skip_build: maybe, lang: dockerfile, handler: a}\n`;
  const second = "  b: {skip_build: 7, lang: dockerfile, handler: b}";
  const faults = await faultsOf(stack(`${first}${second}\n`));
  const column = first.indexOf("maybe") + 1;
  const caret = `${" ".repeat(column)}^`;
  expect(faults).toMatchObject([
    { location: { line: 3, column }, excerpt: `3 | ${first.trimEnd()}\n  |${caret}` },
    { location: { line: 4, column: 19 }, excerpt: `4 | ${second}\n  |${" ".repeat(19)}^` },
  ]);
});

test("a fault of what a variable brings stands where its expression begins", async () => {
  const faults = await faultsOf(stack("  a:\n    lang: dockerfile\n    handler: ${WORD}\n    skip_build: x${SHORT}\n"));
  expect(faults).toMatchObject([{ location: { line: 5, column: 14 } }]);
});

test.for<[string, string]>([
  ["a value of the wrong kind", `  a: {skip_build: [1], handler: "\${SECRET}"}\n`],
  ["a line that is no YAML", `  a: {handler: "\${SECRET}", lang: "x" "y"}\n`],
  ["a misspelt key", `  a: {lang: dockerfile, handlr: "\${SECRET}"}\n`],
  ["a template that is unknown", `  a: {lang: rust, handler: "\${SECRET}"}\n`],
  ["an image that may not be", `  a: {lang: dockerfile, handler: a, image: "x@\${SECRET}", skip_build: 1}\n`],
])("an excerpt of %s shows the variable's name and not its value", async ([, functions]) => {
  const faults = await faultsOf(stack(functions));
  expect(faults).not.toEqual([]);
  expect(faults[0]?.excerpt).toContain(`\${SECRET}`);
  expect(faults.map(({ excerpt }) => excerpt).join("\n")).not.toContain(secret);
});

test("warnings, too, stand where the file as written has them, with its lines", async () => {
  const text = stack(
    `  a: {lang: dockerfile, handler: a, fprocess: "\${LINES}"}\n  b: {lang: dockerfile, handler: "\${SECRET}", lable: x, build_secrets: {a: b}}\n`,
  );
  const { warnings } = await plan({ "stack.yml": text }, { variables });
  expect(warnings).toMatchObject([
    { location: { line: 4, column: 47 }, message: expect.stringContaining("lable") },
    { location: { line: 4, column: 3 }, message: expect.stringContaining("build_secrets") },
  ]);
  for (const { excerpt } of warnings) expect(excerpt).toContain(`4 |   b: {lang: dockerfile, handler: "\${SECRET}"`);
});
