import { expect, onTestFinished, test } from "vitest";
import { type PlanHands, planStack } from "../../src/pipeline/plan.ts";
import { treeOf } from "./story.ts";

const stack = (functions: string, rest = "") => `provider: {name: openfaas}\nfunctions:\n${functions}${rest}`;
const templates = {
  "template/go/template.yml": "handler_folder: code\nbuild_options: [{name: dev, packages: [make]}]",
  "template/go/Dockerfile": "FROM x",
};
const allowedUrl = "https://templates.example/x.git";

async function plan(files: Record<string, string>, given: Partial<PlanHands> = {}) {
  const tree = await treeOf(files);
  const repository = await treeOf(templates);
  onTestFinished(async () => {
    await tree[Symbol.asyncDispose]();
    await repository[Symbol.asyncDispose]();
  });
  return planStack(tree, {
    imageOf: ({ name }) => `r/${name}:latest`,
    dockerfileLang: true,
    templateUrls: [allowedUrl],
    allowsSource: (url) => url === allowedUrl,
    openTemplates: async () => repository,
    ...given,
  });
}

test("a function with a Dockerfile of its own needs no template", async () => {
  const { functions } = await plan({
    "stack.yml": stack("  a: {lang: dockerfile, handler: ./a, build_args: {V: 1.10}}\n"),
  });
  expect(functions).toEqual([
    {
      name: "a",
      image: "r/a:latest",
      handler: "./a",
      platforms: [],
      handlerFolder: "",
      copy: [],
      buildArgs: { V: "1.10" },
    },
  ]);
});

test("a template comes from the stack's own tree before any other", async () => {
  const { functions } = await plan({
    "stack.yml": stack("  a: {lang: go, handler: ./a}\n"),
    "template/go/Dockerfile": "FROM x",
  });
  expect(functions[0]).toMatchObject({
    template: { lang: "go" },
    handlerFolder: "function",
    buildArgs: { ADDITIONAL_PACKAGE: "" },
  });
});

test("a template comes from the installation's repositories, with its folder and packages", async () => {
  const { functions } = await plan({
    "stack.yml": stack("  a: {lang: go, handler: ./a, build_options: [dev]}\n", "configuration: {copy: [./common]}\n"),
  });
  expect(functions[0]).toMatchObject({
    template: { lang: "go", url: allowedUrl },
    handlerFolder: "code",
    buildArgs: { ADDITIONAL_PACKAGE: "make" },
    copy: ["./common"],
  });
});

test("S8 a source that the installation does not allow is refused with the line", async () => {
  const rest = "configuration:\n  templates: [{name: go, source: http://169.254.169.254/x.git}]\n";
  await expect(plan({ "stack.yml": stack("  a:\n    handler: ./a\n    lang: go\n", rest) })).rejects.toMatchObject({
    code: "template_unknown",
    location: { path: "stack.yml", line: 5 },
  });
});

test("an unknown template is an error with the line and where it was looked for", async () => {
  await expect(plan({ "stack.yml": stack("  a:\n    handler: ./a\n    lang: rust\n") })).rejects.toMatchObject({
    code: "template_unknown",
    location: { path: "stack.yml", line: 5 },
    message: expect.stringContaining(allowedUrl),
  });
});

test.for(["../..", "a/b", ".", "..", "-x", "", "a b"])("S3 the lang %j is refused", async (lang) => {
  await expect(plan({ "stack.yml": stack(`  a: {lang: "${lang}", handler: ./a}\n`) })).rejects.toMatchObject({
    code: "template_unknown",
  });
});

test("S14 stack.yaml is taken where stack.yml lies beside it", async () => {
  const files = {
    "stack.yaml": stack("  a: {lang: dockerfile, handler: a}\n"),
    "stack.yml": stack("  b: {lang: dockerfile, handler: b}\n"),
  };
  expect((await plan(files)).functions.map(({ name }) => name)).toEqual(["a"]);
});

test("functions with skip_build are named apart, unwanted ones are not", async () => {
  const text = stack(
    "  a: {lang: dockerfile, handler: a, skip_build: true}\n  b: {lang: dockerfile, handler: b}\n  c: {lang: dockerfile, handler: c}\n",
  );
  const planned = await plan({ "stack.yml": text }, { wants: (name) => name !== "c" });
  expect(planned).toMatchObject({ functions: [{ name: "b" }], skipped: ["a"] });
});

test("S6 variables are those that are given, or the text stays as it is", async () => {
  const files = { "stack.yml": stack("  a: {lang: dockerfile, handler: a, build_args: {V: '${X}'}}\n") };
  expect((await plan(files)).functions[0]?.buildArgs).toEqual({ V: "${X}" });
  expect((await plan(files, { variables: { X: "1" } })).functions[0]?.buildArgs).toEqual({ V: "1" });
});

test.for([
  ["no stack file", {}, "stack_missing"],
  ["no handler", { "stack.yml": stack("  a: {lang: dockerfile}\n") }, "stack_invalid"],
  [
    "an unknown build option",
    { "stack.yml": stack("  a: {lang: go, handler: a, build_options: [x]}\n") },
    "stack_invalid",
  ],
] as const)("%s is an error", async ([, files, code]) => {
  await expect(plan(files)).rejects.toMatchObject({ code });
});

test("lang dockerfile can be switched off", async () => {
  const files = { "stack.yml": stack("  a: {lang: Dockerfile, handler: a}\n") };
  await expect(plan(files, { dockerfileLang: false })).rejects.toMatchObject({ code: "template_unknown" });
});
