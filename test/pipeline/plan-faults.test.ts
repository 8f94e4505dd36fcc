import { expect, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { imageOfStack } from "../../src/model/image-name.ts";
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

/** Of what a stack of these functions is told: `line:column message`. */
async function told(text: string, given: Parameters<typeof plan>[1] = {}): Promise<readonly string[]> {
  const failure = await plan({ "stack.yml": text }, given).catch((error: unknown) => error);
  if (!(failure instanceof BuilderError)) throw new Error("expected faults");
  return failure.faults.map(({ message, location }) => `${location.line}:${location.column} ${message}`);
}

test("faults of every kind are told at once: shapes, missing fields, names, platforms, languages that no template has", async () => {
  const functions = [
    "a: {lang: dockerfile}",
    'b: {lang: dockerfile, handler: ./b, image: x/b, skip_build: "true"}',
    "c: {lang: nope, handler: ./c, image: x/c}",
    "D: {lang: dockerfile, handler: ./d}",
    "e: {}",
    "f: {lang: dockerfile, handler: ./f, platforms: linux amd64}",
    "g: {lang: go, handler: ./g, build_options: [x, dev, y]}",
    "h: {lang: dockerfile, handler: ./h, image: x/..h}",
  ];
  const text = stack(functions.map((line) => `  ${line}\n`).join(""));
  const imageOf = ({ image, name }: { image: string; name: string }) => imageOfStack(image || name);
  expect(await told(text, { imageOf })).toEqual([
    '4:63 skip_build: expected true or false, found "true"',
    expect.stringContaining('8:50 platform "linux amd64" is not valid: expected OS/ARCH'),
    expect.stringContaining('6:3 function name "D"'),
    expect.stringContaining('3:3 function a has no "handler"'),
    expect.stringContaining('5:13 function c has lang "nope", of which no template was found'),
    expect.stringContaining('7:3 function e has no "handler"'),
    expect.stringContaining('7:3 function e has no "lang"'),
    expect.stringContaining('9:47 function g has build option "x", which lang go does not offer (it offers: dev)'),
    expect.stringContaining('9:55 function g has build option "y"'),
    expect.stringContaining('10:46 image name "x/..h:latest" is not valid'),
  ]);
});

test("what is wrong only because something could not be read is not told", async () => {
  const wrong = "lang: [go], handler: {}, image: [x], platforms: [linux/amd64], build_options: [[dev]]";
  const text = stack(`  a: {${wrong}}\n  b: [lang, handler]\n  ? [c]\n  : {lang: dockerfile, handler: c}\n`);
  expect(await told(text, { imageOf: ({ image, name }) => imageOfStack(image || name) })).toEqual([
    "3:13 lang: expected a text, found a list",
    "3:28 handler: expected a text, found a map",
    "3:39 image: expected a text, found a list",
    "3:55 platforms: expected a text, found a list",
    "3:86 expected a text, found a list",
    "4:6 b: expected a map, found a list",
    "5:5 expected a text, found a list",
  ]);
});

test("an expression without meaning is told with all other faults of the file, and nothing of what it stands for", async () => {
  const text = stack(
    [
      "  a: {lang: ${bad-x}, handler: ./${bad-y}, image: 'r/${bad-z}:1', skip_build: ${}}",
      "  b: {lang: dockerfile, handler: b, skip_build: 7}",
      "  c: {lang: nope, handler: ${A}}",
      "  d:",
      "    lang: dockerfile",
      "    platforms: ${UNCLOSED",
      "",
    ].join("\n"),
  );
  expect(
    await told(text, { variables: { A: "c" }, imageOf: ({ image, name }) => imageOfStack(image || name) }),
  ).toEqual([
    '3:13 "${bad-x}, handler: ./${bad-y}, image: \'r": missing closing brace',
    "3:34 \"${bad-y}, image: 'r/${bad-z}:1', skip_bu\": missing closing brace",
    '3:54 "${bad-z}:1\', skip_build: ${}}": missing closing brace',
    '3:79 "${}}": unable to parse variable name',
    '8:16 "${UNCLOSED": missing closing brace',
    '4:49 skip_build: expected true or false, found "7"',
    expect.stringContaining('5:13 function c has lang "nope"'),
    expect.stringContaining('6:3 function d has no "handler"'),
  ]);
});

test("of a file that is no YAML the expressions without meaning are told, too", async () => {
  expect(await told("a: ${A.B}\nb: c: d\n", { variables: {} })).toEqual([
    '1:4 "${A.B}": missing closing brace',
    expect.stringMatching(/^2:/),
  ]);
});

test("a selection does not hide what is wrong with the stack, nor does one without meaning", async () => {
  const text = stack('  a: {lang: dockerfile, handler: a, skip_build: "true"}\n  b: {lang: nope, handler: b}\n');
  expect(await told(text, { selection: { filter: "a" } })).toEqual([expect.stringContaining("3:49 skip_build")]);
  expect(await told(text, { selection: { filter: "nobody" } })).toEqual([expect.stringContaining("3:49 skip_build")]);
});

test("a sign of private use that the file itself holds keeps no fault from being told", async () => {
  expect(await told(stack('  "a\ue000": {lang: dockerfile, handler: a}\n'))).toEqual([
    expect.stringContaining("function name"),
  ]);
  expect(await told(stack('  a: {lang: "\ue000", handler: a}\n'))).toEqual([
    expect.stringContaining("function a has lang"),
  ]);
});

test("S5 however many build options are unknown, looking for their lines takes no time to speak of", async () => {
  const options = `[${Array.from({ length: 5000 }, (_, at) => `x${at}`).join(", ")}]`;
  const lines = Array.from({ length: 10 }, (_, at) => `  a${at}: {lang: go, handler: a, build_options: ${options}}\n`);
  expect(await told(stack(lines.join("")))).toHaveLength(20);
});
