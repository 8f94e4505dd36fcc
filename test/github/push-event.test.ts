import { expect, test } from "vitest";
import type { BranchRule } from "../../src/model/build-policy.ts";
import { plainPolicy, push, read } from "./reading.ts";

const rule = (glob: string, environment = ""): BranchRule => ({ glob, environment });

test.for([
  [[], push({ ref: "refs/heads/dev" }), "skipping build for: refs/heads/dev branch, the build branch is: master"],
  [[rule("main")], push(), "skipping build for: refs/heads/master branch, the build branch is: main"],
  [[rule("a"), rule("b/*")], push(), "skipping build for: refs/heads/master branch, the build branches are: a, b/*"],
  [[rule("master")], push(), undefined],
  [[], push({ ref: "refs/heads/main", repository: { default_branch: "main" } }), undefined],
  [[], push({ repository: { default_branch: undefined } }), undefined],
  [[rule("emoji-🚀/x")], push({ ref: "refs/heads/emoji-🚀/x" }), undefined],
  [[rule("release/*")], push({ ref: "refs/heads/release/1.0" }), undefined],
] as const)("only build branches are built: %#", async ([branches, payload, skip]) => {
  const { decision } = await read(payload, { policy: { ...plainPolicy, branches } });
  expect(decision).toMatchObject({ kind: "push" });
  expect("skip" in decision ? decision.skip : undefined).toBe(skip);
});

test.for([
  ["refs/heads/main", "production"],
  ["refs/heads/release/7", "staging"],
  ["refs/heads/dev", ""],
] as const)("the first rule that fits %s says what it is for: %j", async ([ref, environment]) => {
  const branches = [rule("main", "production"), rule("release/*", "staging"), rule("*"), rule("main", "late")];
  const { decision } = await read(push({ ref }), { policy: { ...plainPolicy, branches } });
  expect(decision).toMatchObject({ kind: "push", push: { environment } });
});

const said = (message: string) => push({ head_commit: { timestamp: "2026-11-22T10:00:00Z", message } });

test.for([
  ["fix [skip ci] it", "[skip ci]"],
  ["[CI Skip]", "[ci skip]"],
  ["x\n\nbody [no ci]", "[no ci]"],
  ["[skip actions]", "[skip actions]"],
  ["[actions skip]", "[actions skip]"],
  ["title\n\nbody\n\nskip-checks: true\n", "skip-checks: true"],
  ["title\n\nSkip-Checks:true\nSigned-off-by: x\n", "skip-checks: true"],
] as const)("the commit's message %j keeps it from being built", async ([message, mark]) => {
  const skip = `skipping build: the commit says ${mark}`;
  expect((await read(said(message))).decision).toMatchObject({ kind: "push", skip });
});

test.for(["skip ci", "[skip-ci]", "skip-checks: true", "a\n\nskip-checks: true\n\nlast paragraph"])(
  "the commit's message %j does not",
  async (message) => {
    expect((await read(said(message))).decision).not.toHaveProperty("skip");
  },
);

const changing = (commits: readonly Record<string, readonly string[]>[], more: Record<string, unknown> = {}) =>
  push({ created: false, forced: false, before: "a".repeat(40), commits, ...more });
const docs = { added: ["docs/a.md"], removed: [], modified: ["README.md"] };
const code = { added: [], removed: ["api/handler.js"], modified: [] };

test.for([
  ["no wanted file", changing([docs]), true],
  ["one wanted file of many commits", changing([docs, code]), false],
  ["none at all", changing([]), false],
  ["more than GitHub lists", changing(Array(2048).fill(docs)), false],
  ["a new branch", changing([docs], { created: true, before: "0".repeat(40) }), false],
  ["a forced push", changing([docs], { forced: true }), false],
] as const)("by the paths of its commits a push with %s is built or not", async ([, payload, isSkipped]) => {
  const policy = { ...plainPolicy, paths: ["stack.yml", "api/"] };
  const { decision } = await read(payload, { policy });
  expect(decision.kind).toBe("push");
  expect("skip" in decision).toBe(isSkipped);
});

test("tags are built where build_tags says so, as what they are", async () => {
  const policy = { ...plainPolicy, tags: ["v*"] };
  expect((await read(push({ ref: "refs/tags/v1.2" }), { policy })).decision).toMatchObject({
    kind: "push",
    push: { kind: "tag", ref: "refs/tags/v1.2", branch: "v1.2", environment: "" },
  });
  expect((await read(push({ ref: "refs/tags/x1" }), { policy })).decision).toEqual({
    kind: "ignored",
    reason: '"refs/tags/x1" is a tag: build_tags has none of this name',
  });
});

test("a push tells what was there before, when it was, and whether commits were taken away", async () => {
  const before = "b".repeat(40);
  const told = push({ before, forced: true, repository: { pushed_at: 1_700_000_000 } });
  expect((await read(told)).decision).toMatchObject({ push: { before, forced: true, pushedAt: 1_700_000_000 } });
  const text = push({ repository: { pushed_at: "2026-11-22T10:00:00Z" } });
  expect((await read(text)).decision).toMatchObject({ push: { pushedAt: Date.parse("2026-11-22T10:00:00Z") / 1000 } });
});
