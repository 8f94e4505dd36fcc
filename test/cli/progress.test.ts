import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createProgress, type ProgressOptions } from "../../src/cli/progress.ts";
import type { Outcome } from "../../src/model/outcome.ts";
import { ended, printed, started } from "./build-events.ts";

const digest = `sha256:${"0123456789abcdef".repeat(4)}`;
const image = (name: string) => `127.0.0.1:5000/${name}:latest`;
const built = (name: string): Outcome => ({ function: name, state: "built", image: image(name), digest, seconds: 3.2 });
const failed: Outcome = {
  function: "bad",
  state: "failed",
  image: image("bad"),
  reason: "process did not complete: exit code: 3\n   3 | FROM busybox\n > 4 | RUN exit 3\x1b[2J",
  fix: "Correct the step that failed.",
  location: { path: "bad/Dockerfile", line: 4 },
  seconds: 0.4,
};

function createRecorded(options: Partial<ProgressOptions>) {
  const clock = { ms: 1000 };
  const writes: string[] = [];
  const progress = createProgress({
    write: (text) => writes.push(text),
    live: false,
    columns: () => 80,
    rows: () => 24,
    color: false,
    now: () => clock.ms,
    ...options,
  });
  return { progress, writes, clock, text: () => writes.join("") };
}

const failure = `✖ bad failed after 0.4s
  step [2/2] RUN exit 3
  │ last words
  at bad/Dockerfile:4
  process did not complete: exit code: 3
     3 | FROM busybox
   > 4 | RUN exit 3
  → Correct the step that failed.
`;
const summary = `✔ hello  ${image("hello")}@${digest}  3.2s
✖ bad    ${"bad/Dockerfile:4: process did not complete: exit code: 3".padEnd(image("hello").length + 1 + digest.length)}  0.4s
– old    skipped: skip_build
– late   not finished
1 built, 1 skipped, 1 failed, 1 not finished in 2.5s
`;

/** A story of four functions: one is built, one fails, one is skipped, one is never finished. */
function tellStory({ progress, clock }: ReturnType<typeof createRecorded>): void {
  progress.begin(["hello", "bad"].map((name) => ({ name, image: image(name) })));
  progress.started("hello");
  progress.started("bad");
  progress.event("hello", ended("FROM busybox", { cached: true }));
  progress.event("bad", started("[2/2] RUN exit 3"));
  progress.event("bad", printed("[2/2] RUN exit 3", "last words", 20));
  progress.event("bad", ended("[2/2] RUN exit 3", { to: 100, error: "exit code: 3" }));
  progress.note("hello: trying again in 2 s\x07");
  progress.finished(failed);
  progress.finished(built("hello"));
  progress.finished({ function: "old", state: "skipped", reason: "skip_build" });
  progress.started("late");
  clock.ms += 2500;
  progress.close();
}

describe("on an output that is no terminal", () => {
  test("every change is a line, and the summary is a table", () => {
    const recorded = createRecorded({});
    tellStory(recorded);
    expect(recorded.text()).toBe(`hello | building ${image("hello")}
bad | building ${image("bad")}
hello | #1 FROM busybox
hello | #1 cached
bad | #1 [2/2] RUN exit 3
bad | #1 0.100 last words
bad | #1 failed 0.1s: exit code: 3
hello: trying again in 2 s
bad | failed: bad/Dockerfile:4: process did not complete: exit code: 3 0.4s
${failure}hello | built ${image("hello")}@${digest} 3.2s
old | skipped: skip_build
late | building
${summary}`);
  });

  test("quiet tells what went wrong and the summary", () => {
    const recorded = createRecorded({ quiet: true, live: true });
    tellStory(recorded);
    expect(recorded.text()).toBe(`hello: trying again in 2 s\n${failure}${summary}`);
  });

  test("colours are only there where they are wanted", () => {
    const recorded = createRecorded({ color: true });
    tellStory(recorded);
    expect(recorded.text()).toContain("\x1b[32m✔\x1b[39m \x1b[1mhello\x1b[22m");
  });

  test("what comes after the end is not drawn", () => {
    const recorded = createRecorded({});
    recorded.progress.close();
    const before = recorded.text();
    recorded.progress.event("hello", started("RUN make"));
    recorded.progress.finished(built("hello"));
    recorded.progress.close();
    expect(recorded.text()).toBe(before);
    expect(before, "of what has never begun there is no summary").toBe("");
  });
});

describe("on a terminal", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  /** What stands on the terminal after the last write: the text of the last frame, without moves. */
  function lastFrame({ writes }: ReturnType<typeof createRecorded>): string {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: moves and clearing are taken off
    return (writes.at(-1) ?? "").replaceAll(/\x1b\[[?\d;]*[A-Za-z]|\r/g, "");
  }

  test("ten times a second at most, however much happens", () => {
    const recorded = createRecorded({ live: true });
    recorded.progress.begin([{ name: "hello", image: image("hello") }]);
    recorded.progress.started("hello");
    for (let at = 0; at < 1000; at += 1) {
      recorded.progress.event("hello", printed("RUN make", `${at}\n`));
      recorded.clock.ms += 1;
      vi.advanceTimersByTime(1);
    }
    expect(recorded.writes.length).toBe(10);
    recorded.progress.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("ends with the summary in the block's place and the cursor given back", () => {
    const recorded = createRecorded({ live: true, columns: () => 200 });
    tellStory(recorded);
    expect(recorded.writes.at(-1)).toBe("\x1b[?25h");
    recorded.writes.pop();
    expect(lastFrame(recorded)).toBe(summary);
    expect(recorded.writes.map((write) => write.replaceAll("\x1b[K", "")).join("")).toContain(failure);
    expect(recorded.text().split("\x1b[?25l")).toHaveLength(2);
  });

  test("in a window too narrow for the summary digests have lines of their own, and what is only read is cut", () => {
    const recorded = createRecorded({ live: true, columns: () => 76 });
    recorded.progress.begin([]);
    const reason = `it is ${"long ".repeat(40)}`;
    recorded.progress.finished({ ...failed, reason, excerpt: ` > 1 | RUN ${"x".repeat(80)}` });
    recorded.progress.finished(built("hello"));
    recorded.progress.close();
    recorded.writes.pop();
    expect(recorded.text()).toContain(`\n   > 1 | RUN ${"x".repeat(61)}…\x1b[K\n`);
    expect(lastFrame(recorded)).toBe(
      `✖ bad    bad/Dockerfile:4: it is ${"long ".repeat(6)}lon…  0.4s
✔ hello  ${image("hello").padEnd(58)}  3.2s
    ${digest}
1 built, 1 failed in 0.0s
`,
    );
  });

  test("the steps of a function that is alone stay, each with its seconds; those of several do not", () => {
    for (const names of [["hello"], ["hello", "other"]]) {
      const recorded = createRecorded({ live: true });
      recorded.progress.begin(names.map((name) => ({ name, image: image(name) })));
      recorded.progress.started("hello");
      recorded.progress.event("hello", ended("[1/2] FROM busybox", { cached: true }));
      recorded.progress.event("hello", started("[2/2] RUN make"));
      recorded.progress.event("hello", ended("[2/2] RUN make", { to: 2500 }));
      recorded.progress.event("hello", started("[other 1/1] RUN cut off"));
      recorded.progress.finished(built("hello"));
      recorded.progress.close();
      const lines = recorded.text().replaceAll("\x1b[K", "");
      const steps = `  ✔ [1/2] FROM busybox${" ".repeat(51)}CACHED
  ✔ [2/2] RUN make${" ".repeat(57)}2.5s
  – [other 1/1] RUN cut off${" ".repeat(48)}0.0s
`;
      expect(lines.includes(steps)).toBe(names.length === 1);
    }
  });

  test("warnings are told when their function ends, with the lines of their place", () => {
    const recorded = createRecorded({ live: true });
    recorded.progress.begin([{ name: "hello", image: image("hello") }]);
    recorded.progress.started("hello");
    for (const vertex of ["a", "b"]) {
      recorded.progress.event("hello", {
        kind: "warning",
        vertex,
        message: "casing\x1b[2J",
        detail: ["of as"],
        url: "https://example.com/rule",
        location: { path: "Dockerfile", line: 1 },
        excerpt: " > 1 | FROM a as b",
      });
    }
    recorded.progress.finished(built("hello"));
    recorded.progress.close();
    const told = recorded.text().replaceAll("\x1b[K", "");
    const warning =
      "! hello 1 warning\n  Dockerfile:1: casing of as\n   > 1 | FROM a as b\n  https://example.com/rule\n";
    expect(told.split(warning)).toHaveLength(2);
    expect(told.split("casing")).toHaveLength(2);
  });

  test("functions that ended make room for those that run, and stay above the block", () => {
    const recorded = createRecorded({ live: true, rows: () => 4 });
    const names = ["a", "b", "c", "d", "e"];
    recorded.progress.begin(names.map((name) => ({ name, image: image(name) })));
    for (const name of ["a", "b"]) {
      recorded.progress.started(name);
      recorded.progress.finished(built(name));
    }
    recorded.progress.started("c");
    vi.advanceTimersByTime(100);
    const shown = lastFrame(recorded)
      .split("\n")
      .map((line) => line.slice(0, 12));
    expect(shown).toEqual(["✔ a  127.0.0", "✔ b  127.0.0", "⠋ c  startin", "… and 2 wait", ""]);
    vi.advanceTimersByTime(100);
    recorded.progress.note("noted");
    expect(lastFrame(recorded)).not.toContain("✔");
    recorded.progress.close();
  });
});
