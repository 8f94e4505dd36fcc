import { expect, test } from "vitest";
import { watchLimits } from "../../src/buildkit/build-limits.ts";
import { limitLog } from "../../src/buildkit/log-limit.ts";
import type { BuildEvent } from "../../src/model/build-event.ts";
import { createMemoryContext } from "./memory-context.ts";
import { buildOnce } from "./one-build.ts";

function dockerfile(...lines: string[]) {
  return createMemoryContext({ Dockerfile: `FROM busybox\n${lines.join("\n")}\n` });
}

test("D10 a build that takes too long is ended, with its container", async () => {
  const context = dockerfile("RUN while true; do echo on; sleep 0.1; done");
  const { error, events } = await buildOnce({ context, noCache: true, limits: { timeMs: 1500 } });
  expect(error).toMatchObject({ code: "limit_exceeded", message: "the build took longer than 1.5 s" });
  const ended = events.findLast((event) => event.kind === "vertex" && event.name.includes("RUN"));
  expect(ended).toMatchObject({ error: expect.stringContaining("context canceled"), completed: expect.any(Number) });
});

test("D10 a build that tells nothing for too long is ended; one that tells something is not", async () => {
  const silent = await buildOnce({ context: dockerfile("RUN sleep 1000"), noCache: true, limits: { idleMs: 1500 } });
  expect(silent.error).toMatchObject({ code: "limit_exceeded", message: "the build told nothing for 1.5 s" });
  const limits = { idleMs: 60_000, timeMs: 120_000 };
  expect((await buildOnce({ context: dockerfile("RUN echo a"), noCache: true, limits })).error).toBeUndefined();
});

test("the clocks of a build stop with it", () => {
  const watch = watchLimits({ timeMs: 1_000_000, idleMs: 1_000_000 });
  const before = process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  watch.touch();
  watch[Symbol.dispose]();
  expect(process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length).toBe(before - 2);
  expect(watch.signal.aborted).toBe(false);
});

test("D10 of a step that prints too much the start and the end are told", async () => {
  const context = dockerfile("RUN seq 1 20000; echo THE END; exit 5");
  const { error, output } = await buildOnce({ context, noCache: true, limits: { logBytes: 20_000 } });
  expect(output.startsWith("1\n2\n3\n")).toBe(true);
  expect(output.trimEnd().endsWith("20000\nTHE END")).toBe(true);
  expect(output).toMatch(/\n\[\d+ bytes are left out here: the build prints too much\]\n/);
  expect(Buffer.byteLength(output)).toBeLessThan(20_000 + 9000);
  expect(error?.message).toContain("exit code 5: THE END");
});

function log(vertex: string, text: string): BuildEvent {
  return { kind: "log", vertex, stream: "stdout", timestamp: 1, text };
}

function end(digest: string): BuildEvent {
  return { kind: "vertex", digest, name: "", started: 1, completed: 2, cached: false, error: "" };
}

/** What is told of these events, as text. */
function told(events: readonly BuildEvent[], maxBytes: number): readonly string[] {
  const heard: string[] = [];
  const take = limitLog((event) => {
    heard.push(event.kind === "log" ? `${event.vertex}: ${event.text}` : event.kind);
  }, maxBytes);
  for (const event of events) take(event);
  return heard;
}

test("output below the limit is passed on untouched", () => {
  expect(told([log("a", "one"), log("b", "two"), end("a"), end("b")], 6)).toEqual([
    "a: one",
    "b: two",
    "vertex",
    "vertex",
  ]);
});

test("each step's own end is told when it ends, and a short one whole", () => {
  expect(told([log("a", "12345"), log("b", "short"), log("a", "more"), end("b"), end("a"), end("a")], 6)).toEqual([
    "a: 12345",
    "b: s",
    "b: hort",
    "vertex",
    "a: more",
    "vertex",
    "vertex",
  ]);
});

test("bytes count, not characters, and none is cut in two", () => {
  expect(told([log("a", "äö"), log("a", "€😀")], 8)).toEqual(["a: äö", "a: €"]);
  expect(told([log("a", "😀😀"), end("a")], 5)).toEqual(["a: 😀", "a: 😀", "vertex"]);
  const [first, rest = ""] = told([log("a", "ä".repeat(20_000)), end("a")], 1000);
  expect(first).toBe(`a: ${"ä".repeat(500)}`);
  expect(rest).toContain(`[${39_000 - 2 * 8192} bytes are left out here`);
});

test("D10 one endless line, and output of a great many steps, take a bounded place", () => {
  const line = "x".repeat(100_000);
  const [endless = ""] = told([...Array.from({ length: 50 }, () => log("a", line)), end("a")], 0);
  expect(endless.length).toBeLessThan(10_000);
  expect(endless).toContain("bytes are left out here");
  const many = Array.from({ length: 5000 }, (_, at) => log(`s${at}`, "text"));
  const ends = Array.from({ length: 5000 }, (_, at) => end(`s${at}`));
  expect(told([...many, ...ends], 0).filter((text) => text !== "vertex")).toHaveLength(1000);
});
