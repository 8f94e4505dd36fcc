import { describe, expect, test } from "vitest";
import {
  applyEvent as applyEventAt,
  createFunctionState,
  currentStep,
  endLines,
  type FunctionState,
  failedStep,
  stepSeconds,
  tailLines,
} from "../../src/cli/progress-state.ts";
import type { BuildEvent } from "../../src/model/build-event.ts";
import { ended, moved, printed, started } from "./build-events.ts";

const applyEvent = (state: FunctionState, event: BuildEvent, now = 0) => applyEventAt(state, event, now);
const create = () => createFunctionState("hello", "127.0.0.1:5000/hello:latest");

describe("the state of a function's build", () => {
  test("forgets old steps beyond its bound and never the one that runs", () => {
    const state = create();
    applyEvent(state, started("RUN long"));
    for (let at = 0; at < 10_000; at += 1) applyEvent(state, ended(`RUN ${at}`, { to: 1 }));
    expect(state.steps.size).toBeLessThanOrEqual(500);
    expect(currentStep(state)?.name).toBe("RUN long");
    expect(state.numbered).toBe(10_001);
  });

  test("keeps the last lines of a step that fails, and none of one that ends well", () => {
    const state = create();
    const lines = Array.from({ length: 1000 }, (_, at) => `line ${at}\n`);
    for (const name of ["good", "bad"]) {
      applyEvent(state, started(name));
      for (const line of lines) applyEvent(state, printed(name, line));
    }
    applyEvent(state, ended("good", { to: 1 }));
    applyEvent(state, ended("bad", { to: 1, error: "exit code: 3" }));
    const tails = [...state.steps.values()].map(({ tail }) => tail);
    expect(tails.map((tail) => tail.length)).toEqual([0, tailLines]);
    expect(tails[1]?.at(-1)).toBe("line 999");
  });

  test("keeps a bounded number of transfers", () => {
    const state = create();
    for (let at = 0; at < 10_000; at += 1) applyEvent(state, moved("FROM node", `sha256:${at}`, { current: 1 }));
    expect(Math.max(...[...state.steps.values()].map(({ transfers }) => transfers.size))).toBe(200);
  });

  test("a step that runs again takes the time of all its runs, told by our clock while it runs", () => {
    const state = create();
    const again = { ...started("RUN make", 5000), completed: undefined };
    applyEvent(state, started("RUN make"), 100);
    const [step] = state.steps.values();
    if (!step) return expect.unreachable();
    expect(stepSeconds(step, 600)).toBe(0.5);
    applyEvent(state, ended("RUN make", { to: 2000 }), 2300);
    expect(stepSeconds(step, 9000)).toBe(2);
    applyEvent(state, again, 10_000);
    expect(stepSeconds(step, 10_500)).toBe(2.5);
    applyEvent(state, { ...again, completed: (again.started ?? 0) + 700 }, 11_000);
    expect(stepSeconds(step, 20_000)).toBe(2.7);
  });

  test("blames the step with an error of its own, not those that were cancelled with it", () => {
    const state = create();
    applyEvent(state, ended("bad", { error: "exit code: 3" }));
    applyEvent(state, ended("other", { error: "context canceled" }));
    expect(failedStep(state)?.name).toBe("bad");
    expect(failedStep(create())).toBeUndefined();
  });

  test("ends the lines that were begun when nothing more comes", () => {
    const state = create();
    applyEvent(state, started("RUN make"));
    expect(applyEvent(state, printed("RUN make", "no end", 500))).toEqual([]);
    expect(endLines(state).map((change) => change.kind === "line" && change.text)).toEqual(["no end"]);
    expect(endLines(state)).toEqual([]);
  });
});
