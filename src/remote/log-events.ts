import type { BuildEvent } from "../model/build-event.ts";

/*
 * The lines of the build API's log: `v: START NAME` a step runs, `v: START NAME SECONDSs` it has ended, `s: TIME ID
 * CURRENT` progress inside a step, `l: TIME TEXT` what a step printed. They say neither which step a text belongs to nor
 * whether one failed: a text is taken for the step that was told last.
 */

const form = /^([vsl]): (\S+) ([\s\S]*)$/;
const ending = / (\d+\.\d\d)s$/;

/** Turns lines of a remote build's log into the events that a build on this machine tells. */
export function createLogReader(onEvent: (event: BuildEvent) => void): { line(text: string): void } {
  /** The step that was told last, by the name that stands for it. */
  let current = "";
  return {
    line(text) {
      const { kind, timestamp, rest } = splitLine(text);
      // Bytes of a transfer belong to no step that could be told.
      if (kind === "s") return;
      if (kind === "l") return onEvent({ kind: "log", vertex: current, stream: "stdout", timestamp, text: rest });
      const event = readVertex(timestamp, rest);
      current = event.digest;
      onEvent(event);
    },
  };
}

/** What has another form is a text. */
function splitLine(text: string): { kind: string; timestamp: number; rest: string } {
  const [, kind = "", time = "", rest = ""] = form.exec(text) ?? [];
  const timestamp = Date.parse(time);
  return Number.isNaN(timestamp) ? { kind: "l", timestamp: Date.now(), rest: `${text}\n` } : { kind, timestamp, rest };
}

function readVertex(started: number, rest: string): Extract<BuildEvent, { kind: "vertex" }> {
  const seconds = ending.exec(rest)?.[1];
  const name = seconds === undefined ? rest : rest.replace(ending, "");
  const ended = seconds === undefined ? undefined : started + Number(seconds) * 1000;
  return { kind: "vertex", digest: name, name, started, completed: ended, cached: seconds === "0.00", error: "" };
}
