import { expect, test } from "vitest";
import { createFunctionContext } from "../../src/contexts/function-context.ts";
import type { PlanHands } from "../../src/pipeline/plan.ts";
import { runPush } from "../../src/pipeline/run-push.ts";
import { push, recordingHands, rememberingSteps } from "./story.ts";

async function pushed(files: Readonly<Record<string, string>>, rules: Partial<PlanHands> = {}) {
  const recorded = recordingHands(files);
  const rulesFor = () => ({ ...recorded.hands.rulesFor(push), ...rules });
  const hands = { ...recorded.hands, assemble: createFunctionContext, rulesFor };
  const outcome = await runPush({ push }, rememberingSteps(hands), hands);
  return {
    ...recorded,
    outcome,
    reportOf: (name: string) => recorded.reports.findLast(({ context }) => context === name),
  };
}

const head = "provider: {name: openfaas}\nfunctions:\n";
const good = { "good/Dockerfile": "FROM busybox\n" };
const goodLines = "  good: {lang: dockerfile, handler: ./good}\n";

test.for([
  ["is not there", "./absent", 'handler "absent" does not exist in the repository'],
  ["leads out of the repository", "../x", 'handler "../x" lies outside of the repository'],
  ["is absolute", "/etc", 'handler "/etc" lies outside of the repository'],
  ["is a file", "good/Dockerfile", 'handler "good/Dockerfile" is no folder'],
] as const)(
  "a handler that %s is told at its line of stack.yml, and stops no other function",
  async ([, handler, reason]) => {
    const text = `${head}${goodLines}  bad:\n    lang: dockerfile\n    handler: ${handler}\n`;
    const { outcome, built, reportOf } = await pushed({ ...good, "stack.yml": text });
    const location = { path: "stack.yml", line: 6, column: 14 };
    expect(built).toEqual(["good"]);
    expect(outcome.functions).toContainEqual(
      expect.objectContaining({
        function: "bad",
        state: "failed",
        reason,
        location,
        excerpt: `6 |     handler: ${handler}\n  |              ^`,
      }),
    );
    expect(reportOf("bad")).toMatchObject({
      description: `stack.yml:6 ${reason}`,
      remarks: [{ level: "failure", message: expect.stringContaining(reason), location }],
    });
  },
);

test("a copied path that is not there is told at its line", async () => {
  const rest = "configuration:\n  copy:\n    - good\n    - ./shared\n";
  const { reportOf } = await pushed({ ...good, "stack.yml": `${head}${goodLines}${rest}` });
  expect(reportOf("good")?.remarks).toMatchObject([
    {
      message: expect.stringContaining('copied path "shared" does not exist'),
      location: { path: "stack.yml", line: 7, column: 7 },
    },
  ]);
});

test.for([
  ["the repository's own template", "template/node/template.yml", true],
  ["a template of another repository", "https://templates.example/x.git:template/node/template.yml", false],
] as const)("the handler_folder of %s is told at its line of template.yml", async ([, path, repositoryTemplates]) => {
  const files = {
    ...good,
    "template/node/template.yml": "language: node\nhandler_folder: ../out\n",
    "template/node/Dockerfile": "FROM busybox\n",
    "stack.yml": `${head}  fn: {lang: node, handler: good}\n`,
  };
  const { outcome } = await pushed(files, { repositoryTemplates });
  expect(outcome.functions).toMatchObject([
    { location: { path, line: 2, column: 17 }, excerpt: expect.stringContaining("2 | handler_folder: ../out") },
  ]);
});

test("each error of a stack that cannot be read becomes a remark at its line", async () => {
  const { reportOf } = await pushed({
    "stack.yml": `${head}  a:\n    skip_build: "true"\n    secrets: one\n    lang: dockerfile\n    handler: ./a\n`,
  });
  expect(reportOf("stack-deploy")?.remarks).toMatchObject([
    { level: "failure", location: { path: "stack.yml", line: 4, column: 17 } },
    { level: "failure", location: { path: "stack.yml", line: 5, column: 14 } },
  ]);
});
