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

test("images that replace each other are told with all other faults, each of them", async () => {
  const functions = [
    "a: {lang: dockerfile, handler: a, image: x/fn}",
    "b: {lang: dockerfile, handler: b, image: y/fn}",
    "c: {lang: rust, handler: c}",
    "d: {lang: rust, handler: d, image: z/fn}",
    "e: {lang: dockerfile}",
  ];
  const text = stack(functions.map((line) => `  ${line}\n`).join(""));
  const imageOf = ({ name, image }: { name: string; image: string }) => `r/${image.split("/").at(-1) || name}:latest`;
  await expect(plan({ "stack.yml": text }, { imageOf })).rejects.toMatchObject({
    code: "template_unknown",
    message: expect.stringMatching(/\(and 4 more\)$/),
    faults: [
      { location: { line: 5 }, message: expect.stringContaining('function c has lang "rust"') },
      { location: { line: 6 }, message: expect.stringContaining('function d has lang "rust"') },
      { location: { line: 7 }, message: expect.stringContaining('function e has no "handler"') },
      { location: { line: 4 }, message: expect.stringContaining("functions a and b would both be pushed as") },
      { location: { line: 6 }, message: expect.stringContaining("functions a and d would both be pushed as") },
    ],
  });
});

test("images that replace each other are errors behind however many that only warn", async () => {
  const same = Array.from({ length: 30 }, (_, at) => `  a${at}: {lang: dockerfile, handler: a, image: x/fn}\n`);
  const text = stack(`${same.join("")}  b: {lang: dockerfile, handler: b, image: y/fn}\n`);
  await expect(plan({ "stack.yml": text }, { imageOf: () => "r/fn:latest" })).rejects.toMatchObject({
    code: "stack_invalid",
    location: { line: 33 },
    message: expect.stringContaining("functions a0 and b would both be pushed as"),
  });
});

test("of more faults than are shown the true number is told, and no template is asked for twice", async () => {
  let asked = 0;
  const findInStore = async () => {
    asked++;
    return undefined;
  };
  const lines = Array.from({ length: 45 }, (_, at) => `  a${at}: {lang: rust, handler: a}\n`);
  await expect(plan({ "stack.yml": stack(lines.join("")) }, { findInStore })).rejects.toMatchObject({
    message: expect.stringMatching(/ \(and 44 more\)$/),
    faults: Array.from({ length: 20 }, (_, at) => ({ location: { line: at + 3 } })),
    faultCount: 45,
  });
  expect(asked).toBe(1);
});

test("S8 a stack full of faults has no further sources asked for, and the number is the least that there are", async () => {
  const opened: string[] = [];
  const openTemplates = async (source: string) => {
    opened.push(source);
    throw new BuilderError("template_unknown", `${source} is not there`);
  };
  const lines = Array.from({ length: 45 }, (_, at) => `  a${at}: {lang: go@${at}, handler: a}\n`);
  await expect(plan({ "stack.yml": stack(lines.join("")) }, { openTemplates })).rejects.toMatchObject({
    message: expect.stringMatching(/ \(and at least 19 more\)$/),
  });
  expect(opened).toHaveLength(20);
});
