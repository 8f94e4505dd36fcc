import { expect, test } from "vitest";
import { StatusResponse } from "../../src/buildkit/generated/control.ts";
import { createProgress } from "../../src/buildkit/progress.ts";
import type { BuildEvent } from "../../src/model/build-event.ts";

type Message = Parameters<typeof StatusResponse.fromPartial>[0];

function follow(...messages: Message[]) {
  const events: BuildEvent[] = [];
  const progress = createProgress((event) => events.push(event));
  for (const message of messages) progress.take(StatusResponse.fromPartial(message));
  return { events, failed: progress.failed() };
}

function log(vertex: string, stream: 1 | 2, msg: Buffer): Message {
  return { logs: [{ vertex, stream: BigInt(stream), msg, timestamp: new Date(5) }] };
}

test("a character that is cut between messages stays whole, per step and stream", () => {
  const [left, right] = [Buffer.from("é").subarray(0, 1), Buffer.from("é").subarray(1)];
  const { events } = follow(
    log("a", 1, left),
    log("a", 2, left),
    log("b", 1, Buffer.from("x")),
    log("a", 1, right),
    log("a", 2, right),
  );
  expect(events).toEqual([
    { kind: "log", vertex: "b", stream: "stdout", timestamp: 5, text: "x" },
    { kind: "log", vertex: "a", stream: "stdout", timestamp: 5, text: "é" },
    { kind: "log", vertex: "a", stream: "stderr", timestamp: 5, text: "é" },
  ]);
});

test("a step that runs again starts with a fresh decoder and its own last lines", () => {
  const run = (text: string): Message[] => [
    { vertexes: [{ digest: "a", name: "RUN x", started: new Date(1) }] },
    log("a", 1, Buffer.concat([Buffer.from(text), Buffer.from([0xc3])])),
    { vertexes: [{ digest: "a", name: "RUN x", started: new Date(1), completed: new Date(2), error: "exit 1" }] },
  ];
  const { events, failed } = follow(...run("first\n"), ...run("second\n"));
  expect(events.filter((event) => event.kind === "log").map(({ text }) => text)).toEqual(["first\n", "second\n"]);
  expect(failed).toEqual([{ digest: "a", name: "RUN x", error: "exit 1", lines: ["second"] }]);
});

test("vertexes, statuses and warnings become events", () => {
  const { events, failed } = follow({
    vertexes: [{ digest: "a", name: "COPY", cached: true, started: new Date(1), completed: new Date(2) }],
    statuses: [{ id: "layer", vertex: "a", current: 5n, total: 9n, timestamp: new Date(3), started: new Date(1) }],
    warnings: [
      {
        vertex: "a",
        short: Buffer.from("old"),
        detail: [Buffer.from("more")],
        url: "https://example.com",
        info: { filename: "Dockerfile" },
        ranges: [{ start: { line: 3 }, end: { line: 5 } }],
      },
    ],
  });
  expect(failed).toEqual([]);
  expect(events).toEqual([
    { kind: "vertex", digest: "a", name: "COPY", started: 1, completed: 2, cached: true, error: "" },
    { kind: "status", vertex: "a", id: "layer", current: 5, total: 9, started: 1, completed: undefined, timestamp: 3 },
    {
      kind: "warning",
      vertex: "a",
      message: "old",
      detail: ["more"],
      url: "https://example.com",
      location: { path: "Dockerfile", line: 3, endLine: 5 },
    },
  ]);
});

test("a warning is told once, with the lines of its place, however many platforms and repeats it comes for", () => {
  const warning = (vertex: string, line: number) => ({
    vertex,
    short: Buffer.from("casing"),
    info: { filename: "Dockerfile", data: Buffer.from("FROM scratch as a\nCOPY a /\n") },
    ranges: [{ start: { line }, end: { line } }],
  });
  const { events } = follow(
    { warnings: [warning("a", 1), warning("b", 1)] },
    { warnings: [warning("a", 1), warning("b", 2)] },
  );
  expect(events).toMatchObject([
    { location: { line: 1 }, excerpt: " > 1 | FROM scratch as a\n   2 | COPY a /" },
    { location: { line: 2 }, excerpt: "   1 | FROM scratch as a\n > 2 | COPY a /" },
  ]);
});

test("a warning of several places marks the lines of each, those that touch as one", () => {
  const at = (line: number, end = line) => ({ start: { line }, end: { line: end } });
  const text = Array.from({ length: 12 }, (_, index) => `RUN ${index + 1}`).join("\n");
  const warning = {
    vertex: "a",
    short: Buffer.from("twice"),
    info: { filename: "app.Dockerfile", data: Buffer.from(text) },
    ranges: [at(10), at(2), at(3), at(0), at(4, 3)],
  };
  const { events } = follow({ warnings: [warning, warning, { ...warning, ranges: [at(2, 4), at(12)] }] });
  const path = "app.Dockerfile";
  expect(events).toMatchObject([
    { location: { path, line: 2, endLine: 4, ranges: [{ line: 2, endLine: 4 }, { line: 10 }] } },
    { location: { path, line: 2, endLine: 4, ranges: [{ line: 2, endLine: 4 }, { line: 12 }] } },
  ]);
  const [told] = events;
  const marked = told?.kind === "warning" ? told.excerpt?.split("\n").filter((line) => line.startsWith(" >")) : [];
  expect(marked).toEqual([" >  2 | RUN 2", " >  3 | RUN 3", " >  4 | RUN 4", " > 10 | RUN 10"]);
});

test("D10 an endless line and a million steps are kept only in part", () => {
  const progress = createProgress(() => undefined);
  const megabyte = Buffer.alloc(1024 * 1024, "x");
  for (let round = 0; round < 50; round++) progress.take(StatusResponse.fromPartial(log("long", 1, megabyte)));
  const failing = (digest: string): Message => ({
    vertexes: [{ digest, name: digest, completed: new Date(1), error: "no" }],
  });
  progress.take(StatusResponse.fromPartial(failing("long")));
  const warnings: BuildEvent[] = [];
  const warned = createProgress((event) => warnings.push(event));
  for (let line = 1; line < 10_000; line++) {
    warned.take(StatusResponse.fromPartial({ warnings: [{ vertex: "a", short: Buffer.from(`warning ${line}`) }] }));
  }
  expect(warnings).toHaveLength(100);
  for (let step = 0; step < 20_000; step++) {
    progress.take(StatusResponse.fromPartial(log(`s${step}`, 2, Buffer.from("text"))));
    progress.take(StatusResponse.fromPartial(failing(`s${step}`)));
  }
  expect(progress.failed()).toHaveLength(100);
  expect(progress.failed()[0]?.lines.join("").length).toBe(16 * 1024);
});
