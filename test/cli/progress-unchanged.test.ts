import { expect, test } from "vitest";
import { createProgress } from "../../src/cli/progress.ts";
import type { Outcome } from "../../src/model/outcome.ts";

const digest = `sha256:${"a".repeat(64)}`;
const unchanged = (sha: string): Outcome => ({
  function: "hello",
  state: "unchanged",
  image: "r:5000/hello:1",
  digest,
  sha,
  seconds: 0.04,
});

function shown(outcome: Outcome, live: boolean): string {
  let text = "";
  const write = (more: string) => {
    text += more;
  };
  const progress = createProgress({ write, live, columns: () => 120, rows: () => 20, color: false, now: () => 0 });
  progress.begin([{ name: "hello", image: "r:5000/hello:1" }]);
  progress.finished(outcome);
  progress.close();
  return text;
}

test("a function that has not changed is a line, and counted", () => {
  expect(shown(unchanged(""), false)).toBe(
    `hello | unchanged: r:5000/hello:1@${digest} 0.0s\n= hello  unchanged: r:5000/hello:1@${digest}  0.0s\n0 built, 1 unchanged in 0.0s\n`,
  );
});

test("where a commit built it the commit is named", () => {
  expect(shown(unchanged("1234567890"), false)).toContain(`hello | unchanged since 1234567: r:5000/hello:1@${digest}`);
});

test("on a terminal it has a mark of its own", () => {
  expect(shown(unchanged(""), true)).toMatch(/= hello {2}unchanged: r:5000\/hello:1@sha256:a/);
});
