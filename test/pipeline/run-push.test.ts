import { expect, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import type { Push } from "../../src/model/push.ts";
import { runPush } from "../../src/pipeline/run-push.ts";
import { StoryMoved } from "../../src/pipeline/steps.ts";
import { buildBroken, buildkitDown, push, recordingHands, rememberingSteps, twoFunctions } from "./story.ts";

const tell = (recorded: ReturnType<typeof recordingHands>, skip?: string) =>
  runPush({ push, ...(skip !== undefined && { skip }) }, rememberingSteps(recorded.hands), recorded.hands);

const lines = ({ told }: ReturnType<typeof recordingHands>) =>
  told.map(({ context, state, description }) => `${context} ${state}: ${description}`);

test("every function is built, and GitHub is told of the beginning and the end", async () => {
  const recorded = recordingHands(twoFunctions);
  const outcome = await tell(recorded);
  expect(outcome).toMatchObject({ state: "success", description: "stack is successfully built: 2 functions" });
  expect(recorded.built.sort()).toEqual(["one", "two"]);
  expect(lines(recorded).at(0)).toBe("stack-deploy pending: alice-fns stack deploy is in progress");
  expect(lines(recorded).at(-1)).toBe("stack-deploy success: stack is successfully built: 2 functions");
  expect(lines(recorded)).toContain(
    "one pending: one function build started, image: registry:5000/alice/fns-one:latest-main-1234567",
  );
  expect(lines(recorded)).toContain(
    "one success: image registry:5000/alice/fns-one:latest-main-1234567 is in the registry",
  );
});

test("the platforms that a stack names are those that its functions are built for", async () => {
  const recorded = recordingHands({
    "stack.yml":
      "provider: {name: openfaas}\nfunctions:\n  one: {lang: dockerfile, handler: ./one, platforms: 'linux/amd64, linux/arm64'}\n  two: {lang: dockerfile, handler: ./two}\n",
  });
  const platforms = new Map<string | undefined, readonly string[]>();
  const build: typeof recorded.hands.build = (request, options) => {
    platforms.set(request.name, request.platforms);
    return recorded.hands.build(request, options);
  };
  const hands = { ...recorded.hands, build };
  expect(await runPush({ push }, rememberingSteps(hands), hands)).toMatchObject({ state: "success" });
  expect(Object.fromEntries(platforms)).toEqual({ one: ["linux/amd64", "linux/arm64"], two: [] });
});

test("links that are none of the stack's business do it no harm, wherever they lead", async () => {
  const strangers = (folder: string) => ({
    [`${folder}result`]: { link: "/nix/store/gone" },
    [`${folder}bazel-out`]: { link: "/etc" },
    [`${folder}circle`]: { link: "circle" },
  });
  const recorded = recordingHands({
    ...strangers(""),
    ...strangers("template/"),
    ...strangers("variables/"),
    "stack.yml":
      "provider: {name: openfaas}\nfunctions:\n  one: {lang: go, handler: ./one, environment_file: [variables/one.yml]}\n",
    "template/go/Dockerfile": "FROM scratch\n",
    "variables/one.yml": "environment: {A: 1}\n",
  });
  const plans: unknown[] = [];
  const runs = { ...recorded.hands.runs, plan: async (_: unknown, planned: unknown) => void plans.push(planned) };
  const hands = { ...recorded.hands, runs };
  expect(await runPush({ push }, rememberingSteps(hands), hands)).toMatchObject({ state: "success" });
  expect(plans).toMatchObject([[{ name: "one", template: { lang: "go" }, deployment: { environment: { A: "1" } } }]]);
  expect(recorded.warnings).toEqual([]);
});

test("a stack file that is a link out of the repository is not read", async () => {
  const recorded = recordingHands({ "stack.yml": { link: "/etc/passwd" } });
  expect(await tell(recorded)).toMatchObject({
    state: "failure",
    description: 'link "stack.yml" -> "/etc/passwd" leads out of the repository',
  });
});

test("one failing function does not stop the other, and its file and line are told", async () => {
  const recorded = recordingHands(twoFunctions, { one: [buildBroken()] });
  const outcome = await tell(recorded);
  expect(outcome).toMatchObject({ state: "failure", description: "1 of 2 functions failed: one" });
  expect(recorded.built).toEqual(["two"]);
  expect(lines(recorded)).toContain("one failure: one/Dockerfile:3 RUN false: exit code 1");
});

test("work that may succeed later is tried again, and the wait is told", async () => {
  const recorded = recordingHands(twoFunctions, { one: [buildkitDown(), undefined] });
  expect(await tell(recorded)).toMatchObject({ state: "success" });
  expect(lines(recorded)).toContain("one pending: attempt 2 in 1 s: BuildKit at tcp://x:1 does not answer");
});

test("what stays down ends as an error with what to do", async () => {
  const recorded = recordingHands(twoFunctions, { one: [buildkitDown(), buildkitDown(), buildkitDown()] });
  const outcome = await tell(recorded);
  expect(outcome).toMatchObject({ state: "error" });
  expect(outcome.functions[0]).toMatchObject({ state: "error", fix: "Start buildkitd, or correct buildkit_url." });
});

test("a pull request whose commit says so is not built, until a person asks for it", async () => {
  const recorded = recordingHands(twoFunctions);
  const ofPush: typeof recorded.hands.trees.ofPush = async (...given) => ({
    ...(await recorded.hands.trees.ofPush(...given)),
    message: "only words\n\n[skip ci]\n",
  });
  const hands = { ...recorded.hands, trees: { ...recorded.hands.trees, ofPush } };
  const told = (kind: Push["kind"]) => runPush({ push: { ...push, kind } }, rememberingSteps(hands), hands);
  const description = "skipping build: the commit says [skip ci]";
  expect(await told("pull_request")).toEqual({ state: "ignored", description, functions: [] });
  expect(recorded.reports.at(-1)).toMatchObject({ context: "stack-deploy", state: "skipped", description });
  expect(recorded.built).toEqual([]);
  expect(await told("rebuild")).toMatchObject({ state: "success" });
});

test("of more functions than twenty only those that failed are shown, and none that was cancelled", async () => {
  const names = Array.from({ length: 21 }, (_, at) => `fn${at}`);
  const functions = names.map((name) => `  ${name}: {lang: dockerfile, handler: ./fns, image: ${name}}\n`);
  const files = { "stack.yml": `provider: {name: openfaas}\nfunctions:\n${functions.join("")}` };
  const cancelled = () => new BuilderError("build_cancelled", "cancelled by maintainer");
  const answers = Object.fromEntries(names.slice(2).map((name) => [name, [cancelled()]]));
  const recorded = recordingHands(files, { ...answers, fn1: [buildBroken()] });
  const { functions: outcomes } = await tell(recorded);
  expect(outcomes.map(({ state }) => state).toSorted()).toEqual(["built", ...Array(19).fill("cancelled"), "failed"]);
  expect(new Set(recorded.told.map(({ context }) => context))).toEqual(new Set(["stack-deploy", "fn1"]));
});

test("G8 a commit that a force-push has removed cancels the push, and nobody is blamed", async () => {
  const recorded = recordingHands(twoFunctions);
  const trees = {
    ...recorded.hands.trees,
    ofPush: async () => {
      throw new BuilderError("commit_gone", "1234 of https://github.com/Alice/fns.git is not there (any more)");
    },
  };
  const hands = { ...recorded.hands, trees };
  const description = "1234 of https://github.com/Alice/fns.git is not there (any more)";
  expect(await runPush({ push }, rememberingSteps(hands), hands)).toEqual({
    state: "cancelled",
    description,
    functions: [],
  });
  expect(lines(recorded).at(-1)).toBe(`stack-deploy error: cancelled: ${description}`);
});

test("G8 a commit that goes while its functions are built cancels them", async () => {
  const gone = new BuilderError("commit_gone", "it is not there (any more)");
  const recorded = recordingHands(twoFunctions, { one: [gone] });
  expect(await tell(recorded)).toMatchObject({ state: "cancelled", description: "it is not there (any more): one" });
  expect(lines(recorded)).toContain("one error: cancelled: it is not there (any more)");
  const worse = recordingHands(twoFunctions, { one: [gone], two: [buildBroken()] });
  expect(await tell(worse)).toMatchObject({ state: "failure" });
});

test("a commit that is not fetched in its time ends the push, and nobody waits for it any longer", async () => {
  const recorded = recordingHands(twoFunctions);
  const trees = { ...recorded.hands.trees, ofPush: () => new Promise<never>(() => {}) };
  const hands = { ...recorded.hands, trees, stepLimitMs: 1 };
  expect(await runPush({ push }, rememberingSteps(hands), hands)).toMatchObject({
    state: "failure",
    description: '"plan" took longer than 0.001 s',
  });
});

test("a bug ends as an error and is logged", async () => {
  const recorded = recordingHands(twoFunctions, { one: [new TypeError("x is undefined")] });
  expect(await tell(recorded)).toMatchObject({ state: "error" });
  expect(recorded.bugs).toHaveLength(1);
});

test("a skipped push only says why", async () => {
  const recorded = recordingHands(twoFunctions);
  expect(await tell(recorded, "skipping build for: refs/heads/x branch")).toMatchObject({ state: "ignored" });
  expect(lines(recorded)).toEqual(["stack-deploy success: skipping build for: refs/heads/x branch"]);
});

test("a repository without a stack file is told so, and nobody is blamed", async () => {
  const recorded = recordingHands({ "README.md": "" });
  expect(await tell(recorded)).toMatchObject({ state: "ignored" });
  expect(lines(recorded).at(-1)).toBe(
    "stack-deploy success: nothing to build: there is no stack.yaml or stack.yml in the root of the repository",
  );
});

test("a broken stack file is a failure with its line", async () => {
  const recorded = recordingHands({ "stack.yml": "provider: {name: openfaas}\nfunctions:\n\tone:\n" });
  expect(await tell(recorded)).toMatchObject({ state: "failure" });
  expect(lines(recorded).at(-1)).toMatch(/^stack-deploy failure: stack\.yml line 3: /);
});

test("a function cannot take the name of the stack's status", async () => {
  const text = "provider: {name: openfaas}\nfunctions:\n  stack-deploy: {lang: dockerfile, handler: x}\n";
  const recorded = recordingHands({ "stack.yml": text });
  expect(await tell(recorded)).toMatchObject({ state: "failure" });
  expect(lines(recorded)).toHaveLength(2);
});

test("a story told again from what it remembers touches nothing", async () => {
  const recorded = recordingHands(twoFunctions);
  const memory = new Map<string, unknown>();
  const first = await runPush({ push }, rememberingSteps(recorded.hands, memory), recorded.hands);
  const told = recorded.told.length;
  const second = await runPush({ push }, rememberingSteps(recorded.hands, memory), recorded.hands);
  expect(second).toEqual(first);
  expect(recorded.told).toHaveLength(told);
  expect(recorded.built).toHaveLength(2);
});

test("a story that another process tells now ends here without an outcome, in whichever step it hears of that", async () => {
  for (const last of ["plan", "report stack-deploy success: stack is successfully built: 2 functions"]) {
    const recorded = recordingHands(twoFunctions);
    const memory = new Map<string, unknown>([[last, { error: new StoryMoved("told elsewhere") }]]);
    const told = runPush({ push }, rememberingSteps(recorded.hands, memory), recorded.hands);
    await expect(told, last).rejects.toThrow(StoryMoved);
    expect(lines(recorded).filter((line) => /^stack-deploy (?!pending)/.test(line))).toEqual([]);
    expect(recorded.openTrees()).toBe(0);
  }
});

test("no tree stays open, whatever happens", async () => {
  for (const answers of [{}, { one: [buildBroken()] }, { one: [new TypeError("x")] }]) {
    const recorded = recordingHands(twoFunctions, answers);
    await tell(recorded);
    expect(recorded.openTrees()).toBe(0);
  }
});
