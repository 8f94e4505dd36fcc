import { stripVTControlCharacters } from "node:util";

import { describe, expect, test } from "vitest";
import { drawFrame, type Window } from "../../src/cli/progress-frame.ts";
import { createPaint } from "../../src/cli/progress-paint.ts";
import { applyEvent, createFunctionState, type FunctionState } from "../../src/cli/progress-state.ts";
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
  for (const event of events) applyEvent(state, event);
  return state;
}

function built(name: string): FunctionState {
  const state = building(name);
  state.outcome = { function: name, state: "built", image: state.image, digest, seconds: 3.21 };
  return state;
}

function draw(functions: readonly FunctionState[], window: Partial<Window> = {}): readonly string[] {
  const lines = drawFrame(functions, { columns: 61, rows: 24, now: 2300, paint: createPaint(false), ...window });
  return lines.map((line) => line.trimEnd());
}

describe("a frame", () => {
  test("has a line per function: what it does, what came from the cache, seconds", () => {
    const failed = building("bad");
    const location = { path: "bad/Dockerfile", line: 4 };
    const known = { function: "bad", image: failed.image, fix: "", seconds: 0.4 };
    failed.outcome = { ...known, state: "failed", reason: "exit code: 3\nmore", location };
    const skipped = waiting("old");
    skipped.outcome = { function: "old", state: "skipped", reason: "nothing changed" };
    const cached = ended("[1/2] FROM busybox", { cached: true });
    expect(
      draw([waiting("zero"), building("one", cached, started("[2/2] RUN make")), built("two"), failed, skipped]),
    ).toEqual([
      "· zero  waiting",
      "⠸ one   [2/2] RUN make                        1 cached  1.3s",
      "✔ two   127.0.0.1:5000/two:latest@sha256:0123456789ab   3.2s",
      "✖ bad   bad/Dockerfile:4: exit code: 3                  0.4s",
      "– old   skipped: nothing changed",
    ]);
  });

  test("shows the last three lines that a running step printed, the begun one too, where there is room", () => {
    const make = started("RUN make");
    const loud = building("loud", make, printed("RUN make", "one\ntwo\n\nthree\nfour, begun"));
    const other = building("other", make, printed("RUN make", "a\nb\n"));
    expect(draw([loud, other])).toEqual([
      "⠸ loud   RUN make                                       1.3s",
      "  │ two",
      "  │ three",
      "  │ four, begun",
      "⠸ other  RUN make                                       1.3s",
      "  │ a",
      "  │ b",
    ]);
  });

  test("deals out few spare rows in turn", () => {
    const loud = (name: string) => building(name, started("RUN make"), printed("RUN make", "one\ntwo\nthree\n"));
    expect(draw([loud("a"), loud("b")], { rows: 6 }).map((line) => line.slice(0, 12))).toEqual([
      "⠸ a  RUN mak",
      "  │ two",
      "  │ three",
      "⠸ b  RUN mak",
      "  │ three",
    ]);
  });

  test("counts what does not fit, and shows what runs before what waits", () => {
    const all = [built("a"), waiting("b"), waiting("c"), building("d", started("RUN make")), waiting("e")];
    expect(draw(all, { rows: 4 })).toEqual([
      "✔ a  127.0.0.1:5000/a:latest@sha256:0123456789ab        3.2s",
      "⠸ d  RUN make                                           1.3s",
      "… and 3 waiting",
    ]);
    expect(draw([...all, building("f"), building("g")], { rows: 3 }).at(-1)).toBe(
      "… and 2 building, 1 done, 3 waiting",
    );
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
    expect(draw([state], { columns: 80 })[0]).toContain(`one  step  ${text}  `);
  });

  test("adds up the layers under way, and forgets a transfer that ended", () => {
    const layer = (at: number, bytes: object) => moved("FROM node", `sha256:${String(at).repeat(64)}`, bytes);
    const three = [1, 2, 3].map((at) => layer(at, { current: 1e6, total: 4e6 }));
    const state = building("one", started("FROM node"), ...three, layer(1, { current: 4e6, total: 4e6, completed: 1 }));
    expect(draw([state])[0]).toContain("FROM node  downloading 2 MB / 8 MB  ");
  });

  test("a chore of BuildKit does not hide the step of the Dockerfile that runs beside it", () => {
    const state = building("one", started("[2/3] RUN make"), started("[internal] load build context"));
    expect(draw([state])[0]).toContain("[2/3] RUN make");
  });

  test("D10 hostile text stays inside its line and its columns", () => {
    const evil = `RUN \x1b[2J\x1b]0;owned\x07日本語\r\n${"字".repeat(500)}`;
    const state = building("one", started(evil), printed(evil, `${"x".repeat(1_000_000)}\n\x1b[1A\x00漢字\n`));
    for (const columns of [1, 5, 20, 61, 200]) {
      const lines = drawFrame([state], { columns, rows: 24, now: 2300, paint: createPaint(false) });
      expect(Math.max(...lines.map(textWidth))).toBeLessThanOrEqual(Math.max(0, columns - 1));
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
      expect(lines.join("")).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
    }
    expect(draw([state])).toEqual([`⠸ one  RUN 日本語${"字".repeat(18)}…  1.3s`, `  │ ${"x".repeat(55)}…`, "  │ 漢字"]);
  });

  test("styles take no columns", () => {
    const functions = [
      waiting("zero"),
      building("one", started("RUN make"), printed("RUN make", "text\n")),
      built("two"),
    ];
    const window = { columns: 61, rows: 24, now: 2300 };
    const styled = drawFrame(functions, { ...window, paint: createPaint(true) });
    expect(styled.map(stripVTControlCharacters)).toEqual(
      drawFrame(functions, { ...window, paint: createPaint(false) }),
    );
  });
});
