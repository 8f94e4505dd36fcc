import { expect, test } from "vitest";
import { runPush } from "../../src/pipeline/run-push.ts";
import { push, recordingHands, rememberingSteps } from "./story.ts";

const tell = (recorded: ReturnType<typeof recordingHands>) =>
  runPush({ push }, rememberingSteps(recorded.hands), recorded.hands);

test("the outcome of a push whose stack cannot be read has every fault with its place, and GitHub the first", async () => {
  const recorded = recordingHands({
    "stack.yml":
      'provider: {name: openfaas}\nfunctions:\n  a:\n    skip_build: "true"\n    secrets: one\n    lang: dockerfile\n    handler: ./a\n',
  });
  const outcome = await tell(recorded);
  expect(outcome).toMatchObject({
    state: "failure",
    description: 'stack.yml line 4: skip_build: expected true or false, found "true" (and 1 more)',
    faults: [
      { location: { path: "stack.yml", line: 4, column: 17 }, excerpt: expect.stringContaining("^") },
      { location: { path: "stack.yml", line: 5, column: 14 }, message: expect.stringContaining("expected a list") },
    ],
  });
  expect(recorded.told.at(-1)).toMatchObject({ context: "stack-deploy", state: "failure" });
  expect(JSON.parse(JSON.stringify(outcome))).toEqual(outcome);
});

test("warnings are told to the log, once, and the functions are built", async () => {
  const recorded = recordingHands({
    "stack.yml":
      "provider: {name: openfaas}\nfunctions:\n  one:\n    lang: dockerfile\n    handler: ./one\n    lable: {a: b}\n",
  });
  expect(await tell(recorded)).toMatchObject({ state: "success" });
  expect(recorded.warnings).toEqual(['unknown key "lable" is ignored: did you mean "labels"?']);
});
