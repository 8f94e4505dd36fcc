import type { BuildEvent } from "../model/build-event.ts";
import { warningLines } from "../model/warning-lines.ts";

/**
 * The lines of the build API's log for one event, in the form that its clients have shown since 2018:
 * `v: START NAME` a step runs, `v: START NAME SECONDSs` it has ended, `s: TIME ID CURRENT` progress inside a step,
 * `l: TIME TEXT` what it printed (raw, possibly of several lines). Times are RFC 3339 in UTC to the second. A warning,
 * which that form does not know, is a `l:` of several lines.
 * @param nowMs stands for a time that is not known
 */
export function logLines(event: BuildEvent, nowMs: number): readonly string[] {
  switch (event.kind) {
    case "vertex":
      return [`v: ${timeText(event.started ?? nowMs)} ${event.name}${durationText(event)}`];
    case "status":
      return [`s: ${timeText(event.timestamp)} ${event.id} ${event.current}`];
    case "log":
      return [`l: ${timeText(event.timestamp)} ${event.text}`];
    case "warning":
      return [`l: ${timeText(nowMs)} warning: ${warningLines(event).join("\n")}\n`];
  }
}

function durationText({ started, completed, cached }: Extract<BuildEvent, { kind: "vertex" }>): string {
  if (completed === undefined) return cached ? " 0.00s" : "";
  const ms = cached || started === undefined ? 0 : Math.max(0, completed - started);
  return ` ${(ms / 1000).toFixed(2)}s`;
}

/** RFC 3339 in UTC to the second. */
export function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
