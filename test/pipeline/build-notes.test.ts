import { expect, test } from "vitest";
import type { BuildEvent } from "../../src/model/build-event.ts";
import { createNoteTaker } from "../../src/pipeline/build-notes.ts";

/** Lines as the events have them: what is printed, as it is. */
const lines = {
  take: (event: BuildEvent) => (event.kind === "log" ? event.text.split("\n").filter((line) => line !== "") : []),
  end: () => ["the end"],
};
const placeOf = (location: { line: number }) => ({ ...location, path: "one/Dockerfile" });
const notesOf = () => createNoteTaker({ lines, placeOf });

const vertex = (name: string, more: Partial<Extract<BuildEvent, { kind: "vertex" }>> = {}): BuildEvent => ({
  ...{ kind: "vertex", digest: name, name, started: undefined, completed: undefined, cached: false, error: "" },
  ...more,
});
const log = (text: string): BuildEvent => ({ kind: "log", vertex: "", stream: "stdout", timestamp: 0, text });

test("what runs is told when it changes, and only then", () => {
  const notes = notesOf();
  expect(notes.take(vertex("[1/2] RUN a"))).toBe(false);
  expect(notes.take(vertex("[1/2] RUN a", { started: 1 }))).toBe(true);
  expect(notes.take(vertex("[1/2] RUN a", { started: 1 }))).toBe(false);
  expect(notes.take(log("x\n"))).toBe(false);
  expect(notes.progress()).toEqual({
    running: ["[1/2] RUN a"],
    steps: { known: 1, done: 0, cached: 0 },
    log: "",
    remarks: [],
  });
  expect(notes.take(vertex("[1/2] RUN a", { started: 1, completed: 2 }))).toBe(true);
  expect(notes.progress().running).toEqual([]);
  expect(notes.end()).toMatchObject({ running: [], steps: { known: 1, done: 1 }, log: "x\nthe end\n" });
});

test("a build is cached when each of its own steps was, whatever its base took", () => {
  const notes = notesOf();
  notes.take(vertex("[internal] load build definition from Dockerfile", { started: 1, completed: 2 }));
  notes.take(vertex("[1/3] FROM docker.io/library/busybox", { started: 1, completed: 2 }));
  expect(notes.isCached).toBe(false);
  notes.take(vertex("[2/3] COPY . .", { started: 1, completed: 1, cached: true }));
  expect(notes.isCached).toBe(true);
  notes.take(vertex("[build 3/3] RUN make", { started: 1, completed: 2 }));
  expect(notes.isCached).toBe(false);
  expect(notes.progress().steps).toEqual({ known: 2, done: 2, cached: 1 });
});

test("a warning is a remark at its place in the repository, once", () => {
  const notes = notesOf();
  const warning: BuildEvent = {
    kind: "warning",
    vertex: "v",
    message: "FromAsCasing",
    detail: ["casing does not match"],
    url: "https://docs.docker.com/x",
    location: { path: "Dockerfile", line: 2 },
  };
  notes.take(warning);
  notes.take({ ...warning, vertex: "other platform" });
  notes.take({ ...warning, message: "nowhere", location: undefined });
  expect(notes.end().remarks).toEqual([
    {
      level: "warning",
      title: "FromAsCasing",
      message: "FromAsCasing\ncasing does not match\nhttps://docs.docker.com/x",
      location: { path: "one/Dockerfile", line: 2 },
    },
  ]);
});

test("of a long log the beginning and the end are kept, and what is left out is counted", () => {
  const notes = notesOf();
  const count = 20_000;
  for (let at = 0; at < count; at++) notes.take(log(`line ${at}\n`));
  const { log: text } = notes.end();
  expect(text.length).toBeLessThan(200_000);
  expect(text.startsWith("line 0\nline 1\n")).toBe(true);
  expect(text.endsWith(`line ${count - 1}\nthe end\n`)).toBe(true);
  const missing = Number(/… (\d+) characters left out …\n/.exec(text)?.[1]);
  const whole = Array.from({ length: count }, (_, at) => `line ${at}\n`).join("");
  expect(text.length - `… ${missing} characters left out …\n`.length + missing).toBe(whole.length + "the end\n".length);
});
