import { setTimeout } from "node:timers/promises";
import type { Steps } from "./steps.ts";

/** Steps that just run: for a person who waits before the terminal, and starts again himself. */
export function createPlainSteps(signal: AbortSignal): Steps {
  const steps: Steps = {
    step: (_name, work) => work({ signal }),
    sleep: (ms) => setTimeout(ms, undefined, { signal }),
    branch: () => Promise.reject(new Error("a build on this machine has no branches")),
    get lasting() {
      return steps;
    },
  };
  return steps;
}
