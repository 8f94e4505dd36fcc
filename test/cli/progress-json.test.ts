import { expect, test } from "vitest";
import { createJsonProgress } from "../../src/cli/progress-json.ts";

test("each thing that happens is one line of JSON, to the end", () => {
  let text = "";
  const progress = createJsonProgress((written) => {
    text += written;
  });
  progress.begin([{ name: "hello", image: "r/hello:1" }]);
  progress.started("hello");
  progress.event("hello", { kind: "log", vertex: "v", stream: "stdout", timestamp: 5, text: "one\ntwo\x1b[2J" });
  progress.event("hello", {
    kind: "warning",
    vertex: "v",
    message: "m",
    detail: [],
    url: "",
    location: { path: "Dockerfile", line: 2 },
  });
  progress.note("trying again in 2 s");
  progress.finished({ function: "hello", state: "built", image: "r/hello:1", digest: "sha256:1", seconds: 2 });
  progress.close();
  progress.close();
  progress.started("late");
  expect(text.endsWith("\n")).toBe(true);
  const lines = text.trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { kind: "plan", functions: [{ name: "hello", image: "r/hello:1" }] },
    { kind: "started", function: "hello" },
    { kind: "log", function: "hello", vertex: "v", stream: "stdout", timestamp: 5, text: "one\ntwo\x1b[2J" },
    {
      kind: "warning",
      function: "hello",
      vertex: "v",
      message: "m",
      detail: [],
      url: "",
      location: { path: "Dockerfile", line: 2 },
    },
    { kind: "note", text: "trying again in 2 s" },
    { kind: "outcome", function: "hello", state: "built", image: "r/hello:1", digest: "sha256:1", seconds: 2 },
    { kind: "end" },
  ]);
  expect(text).not.toContain("\x1b");
});
