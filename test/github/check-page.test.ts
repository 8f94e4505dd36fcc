import { expect, test } from "vitest";
import { checkPage } from "../../src/github/check-page.ts";
import type { Outcome } from "../../src/model/outcome.ts";
import type { BuildNotes, Remark, Report } from "../../src/model/report.ts";
import type { ReportTurn } from "../../src/model/report-turn.ts";
import { unsent } from "../unsent.ts";

const webUrl = "https://github.com";
const digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

const turn: ReportTurn = {
  pushId: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
  installationId: "1",
  repositoryId: "2",
  owner: "alice",
  repository: "fns",
  sha: "1234567890123456789012345678901234567890",
  report: { context: "hello", state: "queued", description: "hello function build started, image: r:5000/hello:1" },
  ...unsent,
};

const image = (name: string) => `registry.example.com/alice/fns-${name}:1-main-1234567`;
const built: Outcome = {
  function: "hello",
  state: "built",
  image: image("hello"),
  digest,
  seconds: 12.34,
  bytes: 4_321_000,
};
const cachedOutcome: Outcome = { ...built, function: "quick", image: image("quick"), seconds: 0.4, cached: true };
const unchanged: Outcome = {
  function: "same",
  state: "unchanged",
  image: image("same"),
  digest,
  sha: "abcdef1234567890123456789012345678901234",
  seconds: 0,
};
const skipped: Outcome = { function: "off", state: "skipped", reason: "skip_build is set" };
const failed: Outcome = {
  function: "bad",
  state: "failed",
  image: image("bad"),
  reason: 'RUN pip install -r requirements.txt: exit code 1\nERROR: No matching distribution found for "flsk"',
  fix: "Correct the step that failed.",
  location: { path: "bad/Dockerfile", line: 3 },
  excerpt: "   2 | COPY . .\n > 3 | RUN pip install -r requirements.txt\n   4 | CMD python index.py",
  seconds: 5,
};

const notes: BuildNotes = {
  running: [],
  steps: { done: 3, cached: 1, known: 4 },
  log: "[1/3] FROM python\n[2/3] COPY . .\n[3/3] RUN pip install -r requirements.txt\nERROR: No matching distribution\n```\nnot a fence\n```",
  remarks: [
    {
      level: "warning",
      title: "JSONArgsRecommended",
      message: "JSON arguments recommended for CMD",
      location: { path: "bad/Dockerfile", line: 4 },
    },
    {
      level: "warning",
      title: "FromAsCasing",
      message: "'as' and 'FROM' keywords' casing do not match",
      location: { path: "https://github.com/openfaas/templates.git:template/python3/Dockerfile", line: 1 },
    },
  ],
};

const stack = (report: Partial<Report>): Report => ({
  context: "stack-deploy",
  state: "success",
  description: "",
  ...report,
});

const pages: readonly (readonly [string, Partial<ReportTurn>])[] = [
  ["a function that waits", {}],
  [
    "a push that waits behind others",
    { report: stack({ state: "queued", description: "3 pushes wait before this one", place: 3 }) },
  ],
  [
    "a function that is built",
    { notes: { ...notes, running: ["[3/3] RUN pip install -r requirements.txt"], log: "" } },
  ],
  [
    "a function that was built",
    { report: { context: "hello", state: "success", description: "image", outcome: built }, notes },
  ],
  [
    "a function that has not changed",
    { report: { context: "same", state: "success", description: "unchanged", outcome: unchanged } },
  ],
  [
    "a function that failed",
    {
      report: {
        context: "bad",
        state: "failure",
        description: `bad/Dockerfile:3 ${failed.state === "failed" ? failed.reason : ""}`,
        outcome: failed,
        remarks: [
          { level: "failure", title: "bad was not built", message: "exit code 1", location: failed.location as never },
        ],
      },
      notes,
    },
  ],
  [
    "a stack that is built",
    {
      report: stack({ state: "running", description: "alice-fns stack deploy is in progress" }),
      functions: [
        { report: { context: "hello", state: "success", description: "", outcome: built }, notes },
        {
          report: { context: "bad", state: "queued", description: "" },
          notes: { ...notes, running: ["[2/3] COPY . ."] },
        },
        { report: { context: "next", state: "queued", description: "" }, notes: undefined },
      ],
    },
  ],
  [
    "a stack with everything",
    {
      report: stack({
        state: "failure",
        description: "1 of 5 functions failed: bad",
        functions: [built, cachedOutcome, unchanged, failed, skipped],
        remarks: [
          {
            level: "warning",
            title: "stack.yml",
            message: 'unknown key "lable" is ignored: did you mean "labels"?',
            location: { path: "stack.yml", line: 6, column: 5 },
          },
        ],
      }),
    },
  ],
  [
    "a stack that cannot be read",
    {
      report: stack({
        state: "failure",
        description: 'stack.yml line 4: skip_build: expected true or false, found "true" (and 1 more)',
        functions: [],
        remarks: [4, 5].map(
          (line): Remark => ({
            level: "failure",
            title: "stack.yml",
            message: line === 4 ? 'skip_build: expected true or false, found "true"' : "secrets: expected a list",
            location: { path: "stack.yml", line, column: 17 },
          }),
        ),
      }),
    },
  ],
  [
    "a push of another branch",
    {
      report: stack({
        state: "skipped",
        description: "skipping build for: refs/heads/feature branch, the build branch is: main",
      }),
    },
  ],
  [
    "a push that a newer one replaced",
    {
      report: stack({
        state: "cancelled",
        description: "superseded by abcdef1",
        newerSha: "abcdef1234567890123456789012345678901234",
      }),
    },
  ],
];

test.for(pages)("%s reads like its golden page", async ([name, change]) => {
  const {
    title,
    status,
    conclusion = "",
    summary,
    text = "",
    annotations,
    actions,
  } = checkPage({ ...turn, ...change }, { webUrl });
  const lines = annotations.map(
    ({ path, start_line, annotation_level, message }) => `    ${annotation_level} ${path}:${start_line} ${message}`,
  );
  const buttons = actions.map(({ label }) => `[${label}]`).join(" ");
  const page = [`# ${title}`, `_${status} ${conclusion}_ ${buttons}`, summary, text, lines.join("\n")];
  await expect(`${page.filter((part) => part !== "").join("\n\n")}\n`).toMatchFileSnapshot(
    `check-pages/${name.replaceAll(" ", "-")}.txt`,
  );
});

test("a log of any size and alphabet fits, with its beginning and its end", () => {
  for (const character of ["x", "é", "漢", "🚀"]) {
    const log = `begin\n${`${character.repeat(100)}\n`.repeat(2000)}end`;
    const { text = "" } = checkPage(
      { ...turn, report: { context: "a", state: "failure", description: "bad" }, notes: { ...notes, log } },
      { webUrl },
    );
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(65_535);
    expect(Buffer.byteLength(text)).toBeGreaterThan(55_000);
    expect(text).toMatch(/begin[\s\S]*bytes left out[\s\S]*\nend\n```$/);
    expect(text.isWellFormed()).toBe(true);
    expect(text).not.toContain("\ufffd");
  }
});

test("a table of any number of functions fits, the failed ones first", () => {
  const functions = Array.from({ length: 2000 }, (_, at): Outcome => ({ ...built, function: `function-${at}` }));
  const { summary } = checkPage({ ...turn, report: stack({ functions: [...functions, failed] }) }, { webUrl });
  expect(Buffer.byteLength(summary)).toBeLessThanOrEqual(65_535);
  expect(summary).toMatch(/\n… and \d+ more/);
  expect(summary.indexOf("`bad`")).toBeLessThan(summary.indexOf("`function-0`"));
});

test("W15 what strangers wrote is code and nothing else", () => {
  const evil = "@alice ![x](http://evil/?a) <img src=x> `tick` | pipe \u0000\u001b[31m";
  const outcome: Outcome = { ...failed, function: evil, reason: evil, excerpt: evil };
  const one = checkPage(
    { ...turn, report: { context: "a", state: "failure", description: evil, outcome } },
    { webUrl },
  );
  const all = checkPage({ ...turn, report: stack({ description: evil, functions: [outcome] }) }, { webUrl });
  const outsideOfCode = (markdown: string) => markdown.replaceAll(/(`+)[\s\S]*?[^`]\1(?!`)/g, "");
  for (const { summary } of [one, all]) expect(outsideOfCode(summary)).not.toMatch(/@alice|evil|<img|tick/);
  expect(
    all.summary
      .split("\n")
      .find((line) => line.includes("failed:"))
      ?.match(/(?<!\\)\|/g),
  ).toHaveLength(6);
});

test("buttons are three at most, and their texts as long as GitHub takes them", () => {
  for (const state of [
    "queued",
    "running",
    "success",
    "failure",
    "error",
    "cancelled",
    "skipped",
    "approval",
  ] as const) {
    const { actions } = checkPage({ ...turn, report: stack({ state }) }, { webUrl });
    expect(actions.length).toBeLessThanOrEqual(3);
    for (const { identifier, label, description } of actions) {
      expect([identifier.length <= 20, label.length <= 20, description.length <= 40]).toEqual([true, true, true]);
    }
  }
});
