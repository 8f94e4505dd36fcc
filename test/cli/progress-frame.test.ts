import { stripVTControlCharacters } from "node:util";

import { describe, expect, test } from "vitest";
import { createFrame } from "../../src/cli/progress-frame.ts";
import { createPaint } from "../../src/cli/progress-paint.ts";
import { applyEvent, createFunctionState, type FunctionState } from "../../src/cli/progress-state.ts";
import type { Window } from "../../src/cli/progress-steps.ts";
import type { BuildEvent } from "../../src/model/build-event.ts";
import { textWidth } from "../../src/model/terminal-text.ts";
import { ended, moved, printed, started } from "./build-events.ts";

const digest = `sha256:0123456789ab${"c".repeat(52)}`;

function waiting(name: string): FunctionState {
  return createFunctionState(name, `127.0.0.1:5000/${name}:latest`);
}

function building(name: string, ...events: readonly BuildEvent[]): FunctionState {
  const state = waiting(name);
  state.startedAt = 1000;
  for (const event of events) applyEvent(state, event, 1000);
  return state;
}

function built(name: string): FunctionState {
  const state = building(name);
  state.outcome = { function: name, state: "built", image: state.image, digest, seconds: 3.21 };
  return state;
}

function createDrawn(window: Partial<Window> = {}) {
  const frame = createFrame();
  return (functions: readonly FunctionState[], later: Partial<Window> = {}): readonly string[] => {
    const plain = { columns: 61, rows: 24, now: 2300, paint: createPaint(false), ...window, ...later };
    return frame(functions, plain).map((line) => line.trimEnd());
  };
}

function draw(functions: readonly FunctionState[], window: Partial<Window> = {}): readonly string[] {
  return createDrawn(window)(functions);
}

function loud(name: string): FunctionState {
  return building(name, started("RUN make"), printed("RUN make", "one\ntwo\nthree\n"));
}

const titles = (lines: readonly string[]) => lines.filter((line) => !line.startsWith(" "));

describe("a frame", () => {
  test("has a line per function: what it does, what came from the cache, seconds", () => {
    const failed = building("bad");
    const location = { path: "bad/Dockerfile", line: 4 };
    const known = { function: "bad", image: failed.image, fix: "", seconds: 0.4 };
    failed.outcome = { ...known, state: "failed", reason: "exit code: 3\nmore", location };
    const skipped = waiting("old");
    skipped.outcome = { function: "old", state: "skipped", reason: "nothing changed" };
    const cached = ended("[1/2] FROM busybox", { cached: true });
    const all = [waiting("zero"), building("one", cached, started("[2/2] RUN make")), built("two"), failed, skipped];
    expect(draw(all)).toEqual([
      "· zero  waiting",
      "⠸ one   127.0.0.1:5000/one:latest        1 cached  1/2  1.3s",
      "  ✔ [1/2] FROM busybox                                CACHED",
      "  ⠸ [2/2] RUN make                                      1.3s",
      "✔ two   127.0.0.1:5000/two:latest@sha256:0123456789ab   3.2s",
      "✖ bad   bad/Dockerfile:4: exit code: 3                  0.4s",
      "– old   skipped: nothing changed",
    ]);
  });

  test("shows each step of a function: ended, cached, running beside others with its last lines, seconds", () => {
    const state = building(
      "one",
      ended("[internal] load build context", { to: 400 }),
      ended("[1/3] FROM busybox", { cached: true, to: 10 }),
      started("[2/3] RUN make"),
      printed("[2/3] RUN make", "one\ntwo\n\nthree\nfour\nfive, begun"),
      started("[other 1/1] RUN test"),
      ended("[other 2/2] COPY", { to: 100, error: "no such file" }),
      ended("[third 1/1] RUN x", { to: 100, error: "exit code 137: context canceled" }),
      { ...started("[3/3] RUN later"), started: undefined },
    );
    expect(draw([state])).toEqual([
      "⠸ one  127.0.0.1:5000/one:latest         1 cached  4/7  1.3s",
      "  ✔ [internal] load build context                       0.4s",
      "  ✔ [1/3] FROM busybox                                CACHED",
      "  ⠸ [2/3] RUN make                                      1.3s",
      "    │ two",
      "    │ three",
      "    │ four",
      "    │ five, begun",
      "  ⠸ [other 1/1] RUN test                                1.3s",
      "  ✖ [other 2/2] COPY                                    0.1s",
      "  – [third 1/1] RUN x                              cancelled",
    ]);
  });

  test("steps that have no room are counted, oldest first, and stay so when there is room again", () => {
    const drawn = createDrawn({ rows: 8 });
    const names = [1, 2, 3, 4, 5].map((at) => `[${at}/9] COPY`);
    const state = building("one", ...names.map((name) => ended(name, { to: 100, cached: name.startsWith("[1") })));
    const step = (name: string) => `  ✔ ${name}                                          0.1s`;
    for (const event of [started("[6/9] RUN"), printed("[6/9] RUN", "a\nb\nc\n")]) applyEvent(state, event, 1000);
    const full = [
      "⠸ one  127.0.0.1:5000/one:latest         1 cached  5/6  1.3s",
      "  ✔ 4 steps before, 1 of them cached",
      step("[5/9] COPY"),
      "  ⠸ [6/9] RUN                                           1.3s",
      "    │ a",
      "    │ b",
      "    │ c",
    ];
    expect(drawn([state])).toEqual(full);
    applyEvent(state, ended("[6/9] RUN", { to: 2000 }), 3000);
    const ran = [...full.slice(1, 3), "  ✔ [6/9] RUN                                           2.0s", "", "", ""];
    expect(drawn([state], { now: 3000 }).slice(1)).toEqual(ran);
    expect(drawn([state], { now: 3000, rows: 20 })[1]).toContain("[1/9] COPY");
  });

  test("keeps the lines of a step that ended for the next one, for some seconds", () => {
    const drawn = createDrawn();
    const [one, two] = [loud("one"), loud("two")];
    const before = drawn([one, two]);
    applyEvent(one, ended("RUN make", { to: 1000 }), 2300);
    const after = drawn([one, two]);
    expect(after).toHaveLength(before.length);
    expect(after.indexOf("⠸ two  127.0.0.1:5000/two:latest                   0/1  1.3s")).toBe(5);
    expect(drawn([one, two], { now: 9000 })).toHaveLength(before.length - 3);
  });

  test("without room for steps tells the one that a function is at, and deals out spare rows to what it prints", () => {
    const lines = draw([loud("a"), loud("b")], { rows: 6 });
    expect(lines.map((line) => line.slice(0, 12).trim())).toEqual([
      "⠸ a  RUN mak",
      "│ two",
      "│ three",
      "⠸ b  RUN mak",
      "│ three",
    ]);
  });

  test("counts what does not fit, and shows what runs, with its steps, before what waits", () => {
    const all = [built("a"), waiting("b"), waiting("c"), building("d", started("RUN make")), waiting("e")];
    expect(draw(all, { rows: 4 })).toEqual([
      "⠸ d  RUN make                                      0/1  1.3s",
      "… and 1 done, 3 waiting",
    ]);
    expect(draw([...all, building("f"), building("g")], { rows: 3 }).at(-1)).toBe(
      "… and 2 building, 1 done, 3 waiting",
    );
    const many = Array.from({ length: 40 }, (_, at) => (at < 4 ? loud(`f${at}`) : waiting(`w${at}`)));
    const lines = draw(many);
    expect(lines).toHaveLength(23);
    expect(lines.filter((line) => line.includes("│ three"))).toHaveLength(4);
    expect(titles(lines).at(-1)).toBe("… and 29 waiting");
  });

  test.for([
    ["transferring context:", { current: 12_400_000 }, "uploading context 12.4 MB"],
    ["transferring context:", { current: 12_400_000, total: 40_000_000 }, "uploading context 12.4 MB / 40 MB"],
    [`sha256:${"a".repeat(64)}`, { current: 1000, total: 2000 }, "downloading 1 kB / 2 kB"],
    [`extracting sha256:${"a".repeat(64)}`, {}, "extracting"],
    ["pushing layers", {}, "pushing layers"],
    [`exporting manifest sha256:${"a".repeat(64)}`, {}, "exporting manifest"],
    [`pushing manifest for 127.0.0.1:5000/a@sha256:${"a".repeat(64)}`, {}, "pushing manifest"],
  ] as const)("tells the transfer %s", ([id, bytes, text]) => {
    const state = building("one", started("[internal] step"), moved("[internal] step", id, bytes));
    expect(draw([state], { columns: 80, rows: 2 })[0]).toContain(`one  step  ${text}  `);
  });

  test("adds up the layers of a step, those that are here, too; then tells what comes after", () => {
    const layer = (at: number, bytes: object) => moved("FROM node", `sha256:${String(at).repeat(64)}`, bytes);
    const three = [1, 2, 3].map((at) => layer(at, { current: 1e6, total: 4e6 }));
    const small = moved("FROM node", `extracting sha256:${"4".repeat(64)}`, {});
    const here = { current: 4e6, total: 4e6, completed: 1 };
    const state = building("one", started("FROM node"), small, ...three, layer(1, here));
    expect(draw([state], { rows: 2 })[0]).toContain("FROM node  downloading 6 MB / 12 MB  ");
    const extracted = moved("FROM node", `extracting sha256:${"4".repeat(64)}`, { completed: 1 });
    for (const event of [layer(2, here), layer(3, here), extracted]) applyEvent(state, event, 1000);
    expect(draw([state], { rows: 2 })[0]).not.toContain("MB");
    applyEvent(state, moved("FROM node", `extracting sha256:${"1".repeat(64)}`, {}), 1000);
    expect(draw([state], { rows: 2 })[0]).toContain("FROM node  extracting  ");
  });

  test.for([
    [100, "downloading ███░░░░░░░░░  13.2 MB / 40 MB  10.2 MB/s"],
    [80, "downloading ███░░░░░░░░░  13.2 MB / 40 MB  10.2 MB/s"],
    [68, "███░░░░░░░░░  13.2 MB / 40 MB  10.2 MB/s"],
    [54, "13.2 MB / 40 MB  10.2 MB/s"],
    [40, "13.2 MB / 40 MB"],
    [24, ""],
  ] as const)(
    "in %i columns a step draws what it moves with a bar, bytes and rate, as far as they fit",
    ([columns, text]) => {
      const bytes = { current: 13_200_000, total: 40_000_000 };
      const state = building("one", started("FROM node"), moved("FROM node", `sha256:${"a".repeat(64)}`, bytes));
      const line = `  ⠸ FROM node${text.padStart(columns - 22)}    1.3s`;
      expect(draw([state], { columns })[1]).toBe(line);
      const styled = createFrame()([state], { columns, rows: 24, now: 2300, paint: createPaint(true) });
      expect(stripVTControlCharacters(styled[1] ?? "")).toBe(line);
    },
  );

  test("in few columns a long name gives way to the bytes", () => {
    const bytes = { current: 13_200_000, total: 40_000_000 };
    const name = `FROM ${"long".repeat(20)}`;
    const state = building("one", started(name), moved(name, `sha256:${"a".repeat(64)}`, bytes));
    expect(draw([state], { columns: 50 })[1]).toBe("  ⠸ FROM longlonglongl…   13.2 MB / 40 MB    1.3s");
  });

  test("a chore of BuildKit does not hide the step of the Dockerfile that runs beside it", () => {
    const state = building("one", started("[2/3] RUN make"), started("[internal] load build context"));
    expect(draw([state], { rows: 2 })[0]).toContain("[2/3] RUN make");
    for (const at of [1, 2, 3]) applyEvent(state, started(`[internal] ${at}`), 1000);
    const many = draw([...Array.from({ length: 3 }, (_, at) => built(`b${at}`)), state], { rows: 8 });
    expect(many).toHaveLength(7);
    expect(many.filter((line) => line.startsWith("  ⠸ [2/3] RUN make "))).toHaveLength(1);
  });

  test("D10 hostile text stays inside its line and its columns", () => {
    const evil = `RUN \x1b[2J\x1b]0;owned\x07日本語\r\n${"字".repeat(500)}`;
    const state = building("one", started(evil), printed(evil, `${"x".repeat(1_000_000)}\n\x1b[1A\x00漢字\n`));
    for (const columns of [1, 5, 20, 61, 200]) {
      const lines = draw([state], { columns });
      expect(Math.max(...lines.map(textWidth))).toBeLessThanOrEqual(Math.max(0, columns - 1));
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
      expect(lines.join("")).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
    }
    expect(draw([state]).slice(1)).toEqual([
      `  ⠸ RUN 日本語${"字".repeat(18)}…     1.3s`,
      `    │ ${"x".repeat(53)}…`,
      "    │ 漢字",
    ]);
  });

  test("styles take no columns", () => {
    const functions = [
      waiting("zero"),
      building("one", started("RUN make"), printed("RUN make", "text\n")),
      built("two"),
    ];
    const window = { columns: 61, rows: 24, now: 2300 };
    const styled = createFrame()(functions, { ...window, paint: createPaint(true) });
    const plain = createFrame()(functions, { ...window, paint: createPaint(false) });
    expect(styled.map(stripVTControlCharacters)).toEqual(plain);
  });
});
