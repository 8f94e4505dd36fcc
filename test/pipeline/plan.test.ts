import { basename, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { allowedUrl, plan, stack } from "./planning.ts";
import { treeOf } from "./story.ts";

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
      places: { file: "stack.yml", handler: [3, 34], copy: [] },
      buildArgs: { V: "1.10" },
      buildSecrets: {},
      deployment: expect.objectContaining({ fprocess: "", environment: {} }),
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
    places: { file: "stack.yml", handler: [3, 26], copy: [[4, 24]], handlerFolder: [1, 17] },
  });
});

test("packages of the command line take the place of the stack's, and a build option's come to them", async () => {
  const args = "build_args: {ADDITIONAL_PACKAGE: git zip, V: 1}";
  const files = { "stack.yml": stack(`  a: {lang: go, handler: ./a, build_options: [dev], ${args}}\n`) };
  const argsOf = async (buildArgs: Record<string, string>) =>
    (await plan(files, { pushed: false, buildArgs })).functions[0]?.buildArgs;
  expect(await argsOf({})).toEqual({ ADDITIONAL_PACKAGE: "git make zip", V: "1" });
  expect(await argsOf({ ADDITIONAL_PACKAGE: "curl make", V: "2" })).toEqual({
    ADDITIONAL_PACKAGE: "curl make",
    V: "2",
  });
});

test("S8 a source that the installation does not allow is refused with the line", async () => {
  const rest = "configuration:\n  templates: [{name: go, source: http://169.254.169.254/x.git}]\n";
  await expect(plan({ "stack.yml": stack("  a:\n    handler: ./a\n    lang: go\n", rest) })).rejects.toMatchObject({
    code: "template_unknown",
    location: { path: "stack.yml", line: 7, column: 34 },
  });
});

test("an unknown template is an error with the line and where it was looked for", async () => {
  await expect(plan({ "stack.yml": stack("  a:\n    handler: ./a\n    lang: rust\n") })).rejects.toMatchObject({
    code: "template_unknown",
    location: { path: "stack.yml", line: 5 },
    message: expect.stringContaining(allowedUrl),
  });
});

test.for(["../..", "a/b", ".", "..", "-x", "a b"])("S3 the lang %j is refused", async (lang) => {
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
  const planned = await plan({ "stack.yml": text }, { selection: { regex: "^[ab]$" } });
  expect(planned).toMatchObject({ functions: [{ name: "b" }], skipped: ["a"] });
});

test("S6 variables are those that are given, or the text stays as it is", async () => {
  const files = { "stack.yml": stack("  a: {lang: dockerfile, handler: a, build_args: {V: '${X}'}}\n") };
  expect((await plan(files)).functions[0]?.buildArgs).toEqual({ V: "${X}" });
  expect((await plan(files, { variables: { X: "1" } })).functions[0]?.buildArgs).toEqual({ V: "1" });
});

test("lang dockerfile can be switched off", async () => {
  const files = { "stack.yml": stack("  a: {lang: Dockerfile, handler: a}\n") };
  await expect(plan(files, { dockerfileLang: false })).rejects.toMatchObject({ code: "template_unknown" });
});

test("S10 what a pushed stack says to BuildKit itself is left out with a warning, and stays on one's own machine", async () => {
  const files = {
    "stack.yml": stack(
      "  a: {lang: dockerfile, handler: a, build_args: {BUILDKIT_SYNTAX: evil/frontend, https_proxy: http://x, V: 1}}\n",
    ),
  };
  const pushed = await plan(files);
  expect(pushed.functions[0]?.buildArgs).toEqual({ V: "1" });
  expect(pushed.warnings).toMatchObject([
    { message: expect.stringContaining('build argument "BUILDKIT_SYNTAX" is left out'), location: { line: 3 } },
    { message: expect.stringContaining('build argument "https_proxy" is left out') },
  ]);
  const own = await plan(files, { pushed: false });
  expect(own.functions[0]?.buildArgs).toMatchObject({ BUILDKIT_SYNTAX: "evil/frontend", https_proxy: "http://x" });
  expect(own.warnings).toEqual([]);
});

test("files that build_secrets names are no business of a pushed stack", async () => {
  const files = { "stack.yml": stack("  a: {lang: dockerfile, handler: a, build_secrets: {key: /etc/shadow}}\n") };
  const pushed = await plan(files);
  expect(pushed.functions[0]?.buildSecrets).toEqual({});
  expect(pushed.warnings).toMatchObject([{ message: "function a: build_secrets of a pushed stack are not read" }]);
  expect((await plan(files, { pushed: false })).functions[0]?.buildSecrets).toEqual({ key: "/etc/shadow" });
});

test("S11 a package that is none is an error of a pushed stack", async () => {
  const files = { "stack.yml": stack("  a: {lang: go, handler: a, build_args: {ADDITIONAL_PACKAGE: 'make; id'}}\n") };
  await expect(plan(files)).rejects.toMatchObject({
    message: expect.stringContaining('"make;"'),
    code: "stack_invalid",
  });
  expect((await plan(files, { pushed: false })).functions[0]?.buildArgs.ADDITIONAL_PACKAGE).toBe("id make;");
});

test.for(["make; id", "$(id)", "--repository=http://x", "a|b"])(
  "S11 build options: neither the name nor a package of the repository's own template may be %j",
  async (text) => {
    const files = {
      "stack.yml": stack("  a: {lang: own, handler: a, build_options: [dev]}\n"),
      "template/own/template.yml": `build_options: [{name: dev, packages: [git, ${JSON.stringify(text)}]}]\n`,
    };
    await expect(plan(files)).rejects.toMatchObject({
      code: "stack_invalid",
      location: { path: "stack.yml", line: 3 },
      message: expect.stringMatching(/function a has build_options with ".*", no package's name/),
    });
    const option = { "stack.yml": stack(`  a: {lang: go, handler: a, build_options: [${JSON.stringify(text)}]}\n`) };
    await expect(plan(option)).rejects.toMatchObject({
      code: "stack_invalid",
      message: expect.stringContaining(`has build option "${text}", which lang go does not offer`),
      location: { path: "stack.yml", line: 3, column: 45 },
    });
    expect((await plan(files, { pushed: false })).functions[0]?.buildArgs.ADDITIONAL_PACKAGE).toContain("git");
  },
);

test("S2 a function may have a name that only Windows keeps for itself: no push makes a file of it", async () => {
  const files = { "stack.yml": stack("  con: {lang: dockerfile, handler: a}\n  nul: {lang: go, handler: b}\n") };
  expect((await plan(files)).functions.map(({ name, image }) => [name, image])).toEqual([
    ["con", "r/con:latest"],
    ["nul", "r/nul:latest"],
  ]);
});

test("environment files of a pushed stack are read, later ones win, and what is missing is a warning", async () => {
  const files = {
    "stack.yml": stack(
      "  a: {lang: dockerfile, handler: a, environment: {A: 1, B: 1}, environment_file: [one.yml, ./sub/two.yml, gone.yml, ../out.yml]}\n",
    ),
    "one.yml": "environment: {B: 2, C: 2}\n",
    "sub/two.yml": "environment: {C: 3}\n",
  };
  const { functions, warnings } = await plan(files);
  expect(functions[0]?.deployment).toMatchObject({
    environment: { A: "1", B: "2", C: "3" },
    environmentFiles: ["gone.yml", "../out.yml"],
  });
  expect(warnings.map(({ message }) => message)).toEqual([
    'function a: environment_file "gone.yml" is not read: there is no such file',
    'function a: environment_file "../out.yml" is not read: it lies outside of the repository',
  ]);
});

test("M8 an environment file that is a link out of the repository, by itself or on its way, is not read", async () => {
  await using outside = await treeOf({ "secret.yml": "environment: {B: secret}\n" });
  const files = {
    "stack.yml": stack(
      "  a: {lang: dockerfile, handler: a, environment: {A: 1}, environment_file: [out.yml, way/secret.yml, in.yml]}\n",
    ),
    "out.yml": { link: join(outside.folder, "secret.yml") },
    way: { link: `../${basename(outside.folder)}` },
    "in.yml": { link: "kept/real.yml" },
    "kept/real.yml": "environment: {C: 3}\n",
  };
  const { functions, warnings } = await plan(files);
  expect(functions[0]?.deployment).toMatchObject({
    environment: { A: "1", C: "3" },
    environmentFiles: ["out.yml", "way/secret.yml"],
  });
  expect(warnings.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^function a: environment_file "out\.yml" is not read: .*leads/),
    expect.stringMatching(/^function a: environment_file "way\/secret\.yml" is not read: .*leads/),
  ]);
});

test("a template's process is the function's where it names none", async () => {
  const files = {
    "stack.yml": stack("  a: {lang: py, handler: a}\n  b: {lang: py, handler: b, fprocess: own}\n"),
    "template/py/template.yml": "fprocess: python index.py\n",
  };
  const { functions } = await plan(files);
  expect(functions.map(({ deployment }) => deployment.fprocess)).toEqual(["python index.py", "own"]);
});

test("S13 what a stack says of running changes nothing of building", async () => {
  const wishes =
    "network: host, namespace: kube-system, constraints: [x], limits: {memory: 1Ti}, readonly_root_filesystem: false";
  const files = { "stack.yml": stack(`  a: {lang: dockerfile, handler: a, fprocess: sh, ${wishes}}\n`) };
  const plain = await plan({ "stack.yml": stack("  a: {lang: dockerfile, handler: a}\n") });
  const [{ deployment, ...building } = { deployment: undefined }] = (await plan(files)).functions;
  const [{ deployment: _, ...plainBuilding } = { deployment: undefined }] = plain.functions;
  expect(building).toEqual(plainBuilding);
  expect(deployment).toMatchObject({ namespace: "", limits: { memory: "1Ti" }, fprocess: "sh" });
});

test("S7 two functions whose images would replace each other are an error, or a warning where the stack says so", async () => {
  const imageOf = () => "r/same:latest";
  const text = (one: string, two: string) =>
    stack(`  a: {lang: dockerfile, handler: a, image: ${one}}\n  b: {lang: dockerfile, handler: b, image: ${two}}\n`);
  await expect(plan({ "stack.yml": text("x/fn", "y/fn") }, { imageOf })).rejects.toMatchObject({
    code: "stack_invalid",
    message: expect.stringContaining("functions a and b would both be pushed as"),
    location: { line: 4 },
  });
  const { warnings } = await plan({ "stack.yml": text("fn", "fn:latest") }, { imageOf });
  expect(warnings.map(({ message }) => message)).toEqual([expect.stringContaining("have the same image")]);
});

test("the stack is looked at before the selection, as faas-cli does", async () => {
  const selection = { filter: "a", regex: "a" };
  await expect(plan({ "stack.yml": "functions: {a: }\n" }, { selection })).rejects.toMatchObject({
    code: "stack_invalid",
  });
  const good = { "stack.yml": stack("  a: {lang: dockerfile, handler: a}\n") };
  await expect(plan(good, { selection })).rejects.toMatchObject({ code: "usage" });
});

test("what a template.yml says in vain is a warning with its place, told once", async () => {
  const text = "fproces: x\n";
  const own = await plan({
    "stack.yml": stack("  a: {lang: go, handler: ./a}\n  b: {lang: go, handler: ./b}\n"),
    "template/go/template.yml": text,
  });
  expect(own.warnings).toMatchObject([
    {
      message: expect.stringContaining('did you mean "fprocess"'),
      location: { path: "template/go/template.yml", line: 1 },
    },
  ]);
  const repository = await treeOf({ "template/go/template.yml": text });
  onTestFinished(() => repository[Symbol.asyncDispose]());
  const files = { "stack.yml": stack("  a: {lang: go, handler: ./a}\n") };
  const { warnings } = await plan(files, { openTemplates: async () => repository });
  expect(warnings.map(({ location }) => location.path)).toEqual([`${allowedUrl}:template/go/template.yml`]);
});

test("S12 a pushed stack's labels pass a policy, and its secrets are its owner's", async () => {
  const files = {
    "stack.yml": stack("  a: {lang: dockerfile, handler: ./a, secrets: [key], labels: {com.openfaas.scale.max: 9}}\n"),
  };
  const pushed = await plan(files, { owner: "Alice" });
  expect(pushed.functions[0]?.deployment).toMatchObject({ secrets: ["alice-key"], labels: {} });
  expect(pushed.warnings).toMatchObject([
    {
      message: expect.stringContaining('function a: label "com.openfaas.scale.max" is left out'),
      location: { line: 3 },
    },
  ]);
  const own = await plan(files, { pushed: false });
  expect(own.functions[0]?.deployment).toMatchObject({
    secrets: ["key"],
    labels: { "com.openfaas.scale.max": "9" },
  });
});
