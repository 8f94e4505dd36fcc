import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startPulse } from "../../src/buildkit/pulse.ts";

// The clock of these tests moves when they say so.
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

type Answer = () => Promise<string>;

const good: Answer = async () => "v1.2.3";
const bad: Answer = async () => Promise.reject(new Error("no"));
const none: Answer = () => new Promise(() => undefined);

/** A pulse whose questions are answered as the test wants, and what it tells. */
function listen() {
  const told: string[] = [];
  const aborted: unknown[] = [];
  const state = { answer: good, questions: 0 };
  const tell = (what: string) => (said: unknown) =>
    void told.push(`${what}: ${said instanceof Error ? said.message : said}`);
  const pulse = startPulse({
    ask({ signal }) {
      state.questions++;
      signal.addEventListener("abort", () => aborted.push(signal.reason));
      return state.answer();
    },
    onAnswer: tell("answer"),
    onDoubt: tell("doubt"),
    onLost: tell("lost"),
  });
  return { ...pulse, state, told, aborted };
}

test("a daemon is asked at once and then every second", async () => {
  const { state, told, stop } = listen();
  await vi.advanceTimersByTimeAsync(3000);
  expect(state.questions).toBe(4);
  expect(new Set(told)).toEqual(new Set(["answer: v1.2.3"]));
  stop();
  await vi.advanceTimersByTimeAsync(3000);
  expect(state.questions).toBe(4);
});

test("one that falls silent is doubted after 2 s, lost after 4 s, and asked anew", async () => {
  const { state, told, aborted, stop } = listen();
  await vi.advanceTimersByTimeAsync(0);
  state.answer = none;
  told.length = 0;
  await vi.advanceTimersByTimeAsync(1999);
  expect(told).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(told).toEqual(["doubt: nothing was heard for 2 s"]);
  await vi.advanceTimersByTimeAsync(2000);
  expect(told.slice(1)).toEqual(["lost: nothing was heard for 4 s"]);
  expect(aborted).toHaveLength(1);
  expect(state.questions).toBe(3);
  stop();
});

test("one that refuses is doubted at once, lost after 4 s, and well again with its first good answer", async () => {
  const { state, told, stop } = listen();
  state.answer = bad;
  await vi.advanceTimersByTimeAsync(1000);
  expect(told).toEqual(["answer: v1.2.3", "doubt: no"]);
  await vi.advanceTimersByTimeAsync(2000);
  expect(told).not.toContain("lost: no");
  await vi.advanceTimersByTimeAsync(1000);
  expect(told).toContain("lost: no");
  state.answer = good;
  await vi.advanceTimersByTimeAsync(1000);
  expect(told.at(-1)).toBe("answer: v1.2.3");
  stop();
});

test("one whose every answer takes almost 3 s is never lost", async () => {
  const { state, told, stop } = listen();
  state.answer = () => new Promise((resolve) => setTimeout(resolve, 2900, "v1.2.3"));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told.filter((line) => line.startsWith("answer"))).toHaveLength(20);
  expect(told.filter((line) => line.startsWith("lost"))).toEqual([]);
  stop();
});

test("an hour in which this machine stood still is one second of silence", async () => {
  const { state, told, stop } = listen();
  await vi.advanceTimersByTimeAsync(0);
  state.answer = () => new Promise((resolve) => setTimeout(resolve, 500, "v1.2.3"));
  await vi.advanceTimersByTimeAsync(1000);
  vi.setSystemTime(Date.now() + 3_600_000);
  await vi.advanceTimersByTimeAsync(500);
  expect(told).toEqual(["answer: v1.2.3", "answer: v1.2.3"]);
  stop();
});

test("who stops it hears nothing more", async () => {
  const { state, told, aborted, stop } = listen();
  await vi.advanceTimersByTimeAsync(0);
  state.answer = none;
  await vi.advanceTimersByTimeAsync(1000);
  stop();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(told).toEqual(["answer: v1.2.3"]);
  expect(aborted).toHaveLength(1);
});
