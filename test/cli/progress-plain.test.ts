import { expect, test } from "vitest";
import { drawPlain } from "../../src/cli/progress-plain.ts";
import { applyEvent, createFunctionState } from "../../src/cli/progress-state.ts";
import type { BuildEvent } from "../../src/model/build-event.ts";
import { ended, printed, started } from "./build-events.ts";

function linesOf(...events: readonly BuildEvent[]): readonly string[] {
  const state = createFunctionState("hello", "127.0.0.1:5000/hello:latest");
  return events.flatMap((event) => drawPlain(state, applyEvent(state, event, 0)));
}

test("a step tells its start, what it prints with the seconds since, and its end", () => {
  expect(
    linesOf(
      started("[1/2] FROM busybox"),
      ended("[1/2] FROM busybox", { to: 3, cached: true }),
      started("[2/2] RUN make", 100),
      printed("[2/2] RUN make", "cc -o", 632),
      printed("[2/2] RUN make", " main\n\nlast", 700),
      ended("[2/2] RUN make", { from: 100, to: 1300 }),
    ),
  ).toEqual([
    "hello | #1 [1/2] FROM busybox",
    "hello | #1 cached",
    "hello | #2 [2/2] RUN make",
    "hello | #2 0.600 cc -o main",
    "hello | #2 0.600",
    "hello | #2 1.200 last",
    "hello | #2 done 1.2s",
  ]);
});

test("a step that fails says why", () => {
  expect(linesOf(ended("RUN false", { to: 90, error: "exit code: 1\n\x1b[2Jmore" }))).toEqual([
    "hello | #1 RUN false",
    "hello | #1 failed 0.1s: exit code: 1more",
  ]);
});

test("a step that BuildKit looks at again is told again only where that is news", () => {
  const name = "exporting to image";
  expect(
    linesOf(
      ended(name, { to: 400 }),
      ended(name, { to: 400 }),
      started(name, 401),
      ended(name, { from: 401, to: 402 }),
      ended(name, { from: 403, to: 2403 }),
      ended(name, { from: 2404, to: 2404, cached: true }),
    ),
  ).toEqual(["hello | #1 exporting to image", "hello | #1 done 0.4s", "hello | #1 done 2.0s", "hello | #1 cached"]);
});

test("a warning tells its place, once", () => {
  const warning = {
    kind: "warning",
    vertex: "",
    message: "FromAsCasing",
    detail: ["as\x1b[0m", "lower"],
    url: "",
  } as const;
  const placed = { ...warning, location: { path: "Dockerfile", line: 3 }, excerpt: " > 3 | from a as b" };
  expect(linesOf(placed, { ...warning, detail: [], location: undefined }, placed)).toEqual([
    "hello | warning: Dockerfile:3: FromAsCasing as lower",
    "hello |  > 3 | from a as b",
    "hello | warning: FromAsCasing",
  ]);
});
