import { describe, expect, test } from "vitest";
import { createBuildLines } from "../../src/logs/build-lines.ts";
import type { BuildEvent } from "../../src/model/build-event.ts";
import { createRedactor } from "../../src/model/redaction.ts";

const secret = "correct horse/battery";

function vertex(more: Partial<Extract<BuildEvent, { kind: "vertex" }>> = {}): BuildEvent {
  const step = {
    digest: "a",
    name: "[1/2] FROM busybox",
    started: 1000,
    completed: undefined,
    cached: false,
    error: "",
  };
  return { kind: "vertex", ...step, ...more };
}

function printed(text: string, more: { vertex?: string; stream?: "stdout" | "stderr" } = {}): BuildEvent {
  return { kind: "log", vertex: "a", stream: "stdout", timestamp: 1250, text, ...more };
}

function linesOf(events: readonly BuildEvent[]): readonly string[] {
  const lines = createBuildLines(createRedactor([secret]));
  return [...events.flatMap((event) => lines.take(event)), ...lines.end()];
}

test("a build's log reads as BuildKit's own plain progress", () => {
  expect(
    linesOf([
      vertex(),
      vertex({ completed: 1400 }),
      vertex({ digest: "b", name: "[2/2] RUN make", started: 1500 }),
      { kind: "status", vertex: "b", id: "x", current: 1, total: 2, started: 1, completed: 2, timestamp: 3 },
      { kind: "log", vertex: "b", stream: "stdout", timestamp: 1600, text: "one\ntw" },
      { kind: "log", vertex: "b", stream: "stderr", timestamp: 1650, text: "\u001b[31moops\u001b[0m\n" },
      { kind: "log", vertex: "b", stream: "stdout", timestamp: 1700, text: "o\nthree" },
      vertex({ digest: "b", name: "[2/2] RUN make", started: 1500, completed: 2500, error: "exit code: 2" }),
      {
        kind: "warning",
        vertex: "b",
        message: "JSONArgsRecommended",
        detail: ["use JSON"],
        url: "",
        location: { path: "Dockerfile", line: 3 },
      },
    ]),
  ).toEqual([
    "#1 [1/2] FROM busybox",
    "#1 done 0.4s",
    "#2 [2/2] RUN make",
    "#2 0.100 one",
    "#2 0.150 oops",
    "#2 0.200 two",
    "#2 1.000 three",
    "#2 failed: exit code: 2",
    "warning: Dockerfile:3: JSONArgsRecommended use JSON",
  ]);
});

test("what BuildKit tells again is not told again", () => {
  expect(
    linesOf([
      vertex(),
      vertex({ completed: 1400 }),
      vertex({ completed: 1400 }),
      vertex({ digest: "w", started: undefined }),
    ]),
  ).toEqual(["#1 [1/2] FROM busybox", "#1 done 0.4s"]);
});

test("a line that nobody ended comes at the end", () => {
  expect(linesOf([vertex(), printed("begun")])).toEqual(["#1 [1/2] FROM busybox", "#1 0.000 begun"]);
});

describe("K2 no part of a secret is in the lines", () => {
  const base64 = Buffer.from(secret).toString("base64");
  test.for<[string, readonly BuildEvent[]]>([
    ["in one piece", [printed(`x ${secret} y\n`)]],
    ["across chunks", [...secret].map((letter) => printed(letter))],
    [
      "across chunks between those of the other stream",
      [printed(secret.slice(0, 9)), printed("other", { stream: "stderr" }), printed(`${secret.slice(9)}\n`)],
    ],
    ["broken into lines by base64", [printed(`${base64.slice(0, 11)}\n`), printed(`${base64.slice(11)}\n`)]],
    ["with an escape sequence inside", [printed(`${secret.slice(0, 5)}\u001b[1m${secret.slice(5)}\n`)]],
    ["where a long line is cut", [printed(`${"x".repeat(4090)}${secret} and more\n`)]],
    ["in a step's name", [vertex({ digest: "n", name: `[1/2] RUN curl -u ${secret}` })]],
    ["in a step's error", [vertex({ completed: 2, error: `process "${secret}" did not complete` })]],
    [
      "in a warning",
      [{ kind: "warning", vertex: "a", message: secret, detail: [secret], url: "", location: undefined }],
    ],
  ])("%s", ([, events]) => {
    const told = linesOf([vertex(), ...events]).join("\n");
    expect(told).toContain("***");
    expect(told.replaceAll(/\n#1 \d\.\d+ /g, "")).not.toMatch(/horse|battery|correct h|rrect/);
    expect(told).not.toContain(base64.slice(0, 10));
  });
});
