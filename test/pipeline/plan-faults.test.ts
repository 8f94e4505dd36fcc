import { expect, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { plan, stack } from "./planning.ts";

test.for([
  ["no stack file", {}, "stack_missing"],
  ["no handler", { "stack.yml": stack("  a: {lang: dockerfile}\n") }, "stack_invalid"],
  ["no lang", { "stack.yml": stack("  a: {handler: a}\n") }, "stack_invalid"],
  ["an empty lang", { "stack.yml": stack('  a: {lang: "", handler: a}\n') }, "stack_invalid"],
  [
    "an unknown build option",
    { "stack.yml": stack("  a: {lang: go, handler: a, build_options: [x]}\n") },
    "stack_invalid",
  ],
] as const)("%s is an error", async ([, files, code]) => {
  await expect(plan(files)).rejects.toMatchObject({ code });
});

test("faults of several functions are told at once, each with its line", async () => {
  const text = stack("  a: {lang: dockerfile}\n  b: {lang: rust, handler: b}\n  c: {lang: dockerfile, handler: c}\n");
  await expect(plan({ "stack.yml": text })).rejects.toMatchObject({
    code: "stack_invalid",
    message: expect.stringMatching(/^stack\.yml line 3: function a has no "handler".*\(and 1 more\)$/),
    faults: [
      { location: { line: 3, column: 3 }, excerpt: expect.stringContaining("3 |   a: {lang: dockerfile}") },
      { location: { line: 4, column: 13 }, message: expect.stringContaining('function b has lang "rust"') },
    ],
  });
});

test("a misspelt key is told beside what is missing for want of it", async () => {
  const text = stack("  a: {lang: dockerfile, handlr: a}\n");
  await expect(plan({ "stack.yml": text })).rejects.toMatchObject({
    faults: [
      { message: expect.stringContaining('function a has no "handler"') },
      { message: 'unknown key "handlr" is ignored: did you mean "handler"?', location: { line: 3, column: 25 } },
    ],
  });
});

test("what is wrong with a stack is told although the template store does not answer, and that store is asked once", async () => {
  let asked = 0;
  const findInStore = async () => {
    asked++;
    throw new BuilderError("checkout_failed", "the store does not answer");
  };
  const files = (last: string) => ({
    "stack.yml": stack(`  a: {lang: rust, handler: a}\n  b: {lang: zig, handler: b}\n  c: {${last}}\n`),
  });
  const wrong = plan(files("handler: c"), { findInStore });
  await expect(wrong).rejects.toMatchObject({ faults: [{ message: expect.stringContaining('c has no "lang"') }] });
  expect(asked).toBe(1);
  const right = plan(files("lang: dockerfile, handler: c"), { findInStore });
  await expect(right).rejects.toMatchObject({ code: "checkout_failed", transient: true });
});
