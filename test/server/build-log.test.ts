import { expect, test } from "vitest";
import type { BuildEvent } from "../../src/model/build-event.ts";
import { logLines } from "../../src/server/build-log.ts";

const at = Date.UTC(2018, 5, 7, 8, 9, 10, 999);
const now = Date.UTC(2026, 0, 2, 3, 4, 5);
const vertex = { kind: "vertex", digest: "sha256:1", name: "[1/2] FROM busybox", cached: false, error: "" } as const;
const step = { started: undefined, completed: undefined };
const status = { kind: "status", vertex: "sha256:1", id: "extracting", current: 42, total: 0, ...step } as const;

test.for<[string, BuildEvent, readonly string[]]>([
  ["a step that runs", { ...vertex, ...step, started: at }, ["v: 2018-06-07T08:09:10Z [1/2] FROM busybox"]],
  [
    "a step that has ended",
    { ...vertex, started: at, completed: at + 1234 },
    ["v: 2018-06-07T08:09:10Z [1/2] FROM busybox 1.23s"],
  ],
  [
    "a step of hours",
    { ...vertex, started: at, completed: at + 7_200_000 },
    ["v: 2018-06-07T08:09:10Z [1/2] FROM busybox 7200.00s"],
  ],
  [
    "a step found in the cache",
    { ...vertex, cached: true, started: at, completed: at + 900 },
    ["v: 2018-06-07T08:09:10Z [1/2] FROM busybox 0.00s"],
  ],
  ["a step that has not started", { ...vertex, ...step }, ["v: 2026-01-02T03:04:05Z [1/2] FROM busybox"]],
  [
    "a step that ended without a start",
    { ...vertex, ...step, completed: at },
    ["v: 2026-01-02T03:04:05Z [1/2] FROM busybox 0.00s"],
  ],
  ["progress", { ...status, timestamp: at }, ["s: 2018-06-07T08:09:10Z extracting 42"]],
  [
    "text of several lines, as it is",
    { kind: "log", vertex: "x", stream: "stderr", timestamp: at, text: "one\ntwo\n" },
    ["l: 2018-06-07T08:09:10Z one\ntwo\n"],
  ],
  [
    "a warning",
    {
      kind: "warning",
      vertex: "x",
      message: "casing",
      detail: ["of as"],
      url: "https://example.com/rule",
      location: { path: "Dockerfile", line: 1 },
      excerpt: " > 1 | from busybox as a",
    },
    [
      "l: 2026-01-02T03:04:05Z warning: Dockerfile:1: casing of as\n > 1 | from busybox as a\nhttps://example.com/rule\n",
    ],
  ],
])("the log's line for %s", ([, event, lines]) => {
  expect(logLines(event, now)).toEqual(lines);
});
