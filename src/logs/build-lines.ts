import type { BuildEvent } from "../model/build-event.ts";
import { createLineJoiner, type LineJoiner } from "../model/log-lines.ts";
import type { RedactedStream, Redactor } from "../model/redaction.ts";
import { cleanLine } from "../model/terminal-text.ts";
import { warningLine } from "../model/warning-lines.ts";

/** Turns the events of a build into the lines of its log. */
export interface BuildLines {
  /** Answers the lines that an event completes. */
  take(event: BuildEvent): readonly string[];
  /** Answers the lines that were begun, as nothing more comes. */
  end(): readonly string[];
}

interface Step {
  number: number;
  name: string;
  started: number | undefined;
  told: string;
  readonly streams: Map<string, { readonly redacted: RedactedStream; readonly joiner: LineJoiner }>;
}

const maxSteps = 1000;
const maxName = 500;

/**
 * Creates the writer of a log's lines, in the words of BuildKit's own plain progress: `#3 [2/2] RUN make`,
 * `#3 0.412 what it printed`, `#3 done 1.2s`. Secrets are struck out before anything is cut or joined, and in each
 * line as it is told: whatever stood between the halves of one may be gone by then.
 */
export function createBuildLines(redactor: Redactor): BuildLines {
  const steps = new Map<string, Step>();
  let numbered = 0;

  const stepOf = (digest: string) => {
    const known = steps.get(digest);
    if (known) return known;
    const [oldest] = steps.size >= maxSteps ? steps.keys() : [];
    if (oldest !== undefined) steps.delete(oldest);
    numbered += 1;
    const step: Step = { number: numbered, name: "", started: undefined, told: "", streams: new Map() };
    steps.set(digest, step);
    return step;
  };

  const streamOf = (step: Step, name: string) => {
    const stream = step.streams.get(name) ?? { redacted: redactor.stream(), joiner: createLineJoiner() };
    step.streams.set(name, stream);
    return stream;
  };

  const printed = (step: Step, timestamp: number, lines: readonly string[]) => {
    const seconds = Math.max(0, timestamp - (step.started ?? timestamp)) / 1000;
    return lines.map((line) => redactor.text(`#${step.number} ${seconds.toFixed(3)} ${line}`));
  };

  const endOf = (step: Step, timestamp: number) => {
    const streams = [...step.streams.values()];
    step.streams.clear();
    return streams.flatMap(({ redacted, joiner }) =>
      printed(step, timestamp, [...joiner.push(redacted.end()), ...joiner.end()]),
    );
  };

  const vertex = (event: Extract<BuildEvent, { kind: "vertex" }>) => {
    if (event.started === undefined && event.completed === undefined) return [];
    const step = stepOf(event.digest);
    step.name = redactor.text(cleanLine(event.name)).slice(0, maxName);
    step.started = event.started ?? step.started;
    const start = step.told === "" ? [`#${step.number} ${step.name}`] : [];
    step.told ||= "started";
    if (event.completed === undefined) return start;
    const end = redactor.text(`#${step.number} ${endText(event)}`);
    if (end === step.told) return start;
    step.told = end;
    return [...start, ...endOf(step, event.completed), end];
  };

  return {
    take(event) {
      if (event.kind === "vertex") return vertex(event);
      if (event.kind === "warning") return [redactor.text(`warning: ${warningLine(event)}`)];
      if (event.kind === "status") return [];
      const step = stepOf(event.vertex);
      const { redacted, joiner } = streamOf(step, event.stream);
      return printed(step, event.timestamp, joiner.push(redacted.push(event.text)));
    },
    end: () => [...steps.values()].flatMap((step) => endOf(step, step.started ?? 0)),
  };
}

function endText({ error, cached, started, completed }: Extract<BuildEvent, { kind: "vertex" }>): string {
  if (error !== "") return `failed: ${cleanLine(error)}`;
  if (cached) return "cached";
  return `done ${(Math.max(0, (completed ?? 0) - (started ?? completed ?? 0)) / 1000).toFixed(1)}s`;
}
