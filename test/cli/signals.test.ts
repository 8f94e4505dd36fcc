import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { abortOnSignal, untilTold } from "../../src/cli/signals.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("a signal that arrives twice at once, as from systemd, stops once; a later one leaves at once", async () => {
  const exit = vi.spyOn(process, "exit").mockReturnValue(undefined as never);
  const stopping = Promise.withResolvers<void>();
  const leaving = Promise.withResolvers<void>();
  const stops: string[] = [];
  const told = untilTold(
    (name) => {
      stops.push(name);
      return stopping.promise;
    },
    () => leaving.promise,
  );
  process.emit("SIGTERM", "SIGTERM");
  vi.advanceTimersByTime(100);
  process.emit("SIGTERM", "SIGTERM");
  await Promise.resolve();
  expect(stops).toEqual(["SIGTERM"]);
  expect(exit).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1000);
  process.emit("SIGINT", "SIGINT");
  await Promise.resolve();
  expect(exit).not.toHaveBeenCalled();
  leaving.resolve();
  await vi.waitFor(() => expect(exit).toHaveBeenCalledExactlyOnceWith(1));
  stopping.resolve();
  await told;
});

test("the first signal interrupts a build, a later one ends the process by itself", () => {
  const kill = vi.spyOn(process, "kill").mockReturnValue(true);
  const listeners = process.listenerCount("SIGINT");
  using interrupt = abortOnSignal();
  process.emit("SIGINT", "SIGINT");
  process.emit("SIGINT", "SIGINT");
  expect(interrupt.signal.reason).toMatchObject({ code: "build_cancelled" });
  expect(kill).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1000);
  process.emit("SIGINT", "SIGINT");
  expect(kill).toHaveBeenCalledExactlyOnceWith(process.pid, "SIGINT");
  expect(process.listenerCount("SIGINT")).toBe(listeners);
});
