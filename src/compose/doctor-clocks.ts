import type { BuildEvent } from "../model/build-event.ts";
import type { Finding } from "./doctor-finding.ts";

/** Tokens and attestations of registries are refused over clocks that differ by minutes; logs lie before. */
const maxSkewMs = 5000;

/** Finds out how a daemon's clock goes, by what it tells of a build. */
export interface BuildClock {
  take(event: BuildEvent): void;
  /** Milliseconds that it is ahead; undefined where no step has shown it. */
  aheadMs(): number | undefined;
}

/** A step that the daemon ends has to end, by its clock, between our first word and our hearing of it. */
export function createBuildClock(): BuildClock {
  const startedMs = Date.now();
  let skewMs: number | undefined;
  return {
    take(event) {
      if (event.kind !== "vertex" || event.completed === undefined || skewMs !== undefined) return;
      const ahead = Math.max(0, event.completed - Date.now());
      skewMs = ahead > 0 ? ahead : Math.min(0, event.completed - startedMs);
    },
    aheadMs: () => skewMs,
  };
}

/** Judges how far the clock of something is ahead. */
export function clockFinding(whose: string, aheadMs: number | undefined): Finding {
  const what = `the clock of ${whose}`;
  if (aheadMs === undefined) return { what, state: "doubtful", lines: ["it does not show"], fix: "" };
  const seconds = `${(Math.abs(aheadMs) / 1000).toFixed(1)} s`;
  if (Math.abs(aheadMs) <= maxSkewMs) return { what, state: "good", lines: [`differs by ${seconds}`], fix: "" };
  const lines = [`is ${seconds} ${aheadMs > 0 ? "ahead" : "behind"}`];
  return { what, state: "wrong", lines, fix: "Let both machines keep time by NTP." };
}
