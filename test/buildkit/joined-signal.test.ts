import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { joinSignals } from "../../src/buildkit/joined-signal.ts";

test("a joined signal aborts with the first of its signals, and with its reason", () => {
  const [one, two] = [new AbortController(), new AbortController()];
  using joined = joinSignals([one.signal, two.signal]);
  expect(joined.signal.aborted).toBe(false);
  two.abort("second");
  one.abort("first");
  expect(joined.signal.reason).toBe("second");
  using late = joinSignals([one.signal]);
  expect(late.signal.reason).toBe("first");
});

test("nothing of it is left on a signal that lives on", () => {
  const { signal } = new AbortController();
  for (let at = 0; at < 100; at++) {
    using joined = joinSignals([signal, new AbortController().signal]);
    expect(joined.signal.aborted).toBe(false);
  }
  expect(getEventListeners(signal, "abort")).toEqual([]);
});
