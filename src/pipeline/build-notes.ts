import type { Location } from "../errors.ts";
import type { BuildEvent } from "../model/build-event.ts";
import type { BuildNotes, Remark } from "../model/report.ts";
import { type BuildWarning, warningKey } from "../model/warning-lines.ts";

/** Turns the events of a build into the lines of its log, without secrets. */
export interface BuildLines {
  take(event: BuildEvent): readonly string[];
  end(): readonly string[];
}

/** What GitHub shows of a build besides its end, as the build tells it. */
export interface NoteTaker {
  /** Answers whether what runs has changed. */
  take(event: BuildEvent): boolean;
  /** What is to be known while it runs. */
  progress(): BuildNotes;
  /** Everything; nothing more comes. */
  end(): BuildNotes;
  /** Whether each step that could have been was found in the cache. */
  readonly isCached: boolean;
}

/** Of a long log so many characters of its beginning and of its end are kept: more is not shown. */
const maxHead = 12_000;
const maxTail = 60_000;
const maxRemarks = 100;
const maxRunning = 5;
const maxSteps = 1000;
const maxName = 300;

/** Steps of the Dockerfile, such as `[build 2/7] RUN make`. Where an image comes from is no work of a build. */
const ownStep = /^\[[^\]]*\d+\/\d+\] (?!FROM )/;

type Vertex = Extract<BuildEvent, { kind: "vertex" }>;

/**
 * Creates the taker of a build's notes.
 * @param options.placeOf where in the repository a place of the context is
 */
export function createNoteTaker({
  lines,
  placeOf,
}: {
  lines: BuildLines;
  placeOf(location: Location): Location;
}): NoteTaker {
  const steps = new Map<string, Vertex>();
  const remarks = new Map<string, Remark>();
  const log = createExcerpt();
  let running = "";

  const counts = () => {
    const own = [...steps.values()].filter(({ name }) => ownStep.test(name));
    const cached = own.filter((step) => step.cached).length;
    return { known: own.length, done: own.filter(({ completed }) => completed !== undefined).length, cached };
  };
  const runningNow = () =>
    [...steps.values()]
      .filter(
        ({ name, started, completed }) => started !== undefined && completed === undefined && name.startsWith("["),
      )
      .map(({ name }) => name.slice(0, maxName))
      .slice(-maxRunning);
  const notes = (rest: Pick<BuildNotes, "log" | "remarks">): BuildNotes => ({
    running: runningNow(),
    steps: counts(),
    ...rest,
  });

  return {
    take(event) {
      log.add(lines.take(event));
      if (event.kind === "warning" && remarks.size < maxRemarks) keepRemark(remarks, event, placeOf);
      if (event.kind !== "vertex") return false;
      if (steps.size < maxSteps || steps.has(event.digest)) steps.set(event.digest, event);
      const before = running;
      running = runningNow().join("\n");
      return running !== before;
    },
    progress: () => notes({ log: "", remarks: [] }),
    end() {
      log.add(lines.end());
      return { ...notes({ log: log.text(), remarks: [...remarks.values()] }), running: [] };
    },
    get isCached() {
      const { known, cached } = counts();
      return known > 0 && cached === known;
    },
  };
}

function keepRemark(
  remarks: Map<string, Remark>,
  warning: BuildWarning,
  placeOf: (location: Location) => Location,
): void {
  const { message, detail, url, location } = warning;
  if (!location) return;
  const text = [message, ...detail, ...(url === "" ? [] : [url])].join("\n");
  remarks.set(warningKey(warning), { level: "warning", title: message, message: text, location: placeOf(location) });
}

/** Keeps the beginning and the end of a text whose middle may be long. */
function createExcerpt() {
  let head = "";
  let tail = "";
  let missing = 0;
  return {
    add(lines: readonly string[]) {
      for (const line of lines) {
        if (tail === "" && head.length + line.length < maxHead) {
          head += `${line}\n`;
          continue;
        }
        tail += `${line}\n`;
        if (tail.length < 2 * maxTail) continue;
        const from = tail.indexOf("\n", tail.length - maxTail) + 1;
        missing += from;
        tail = tail.slice(from);
      }
    },
    text: () => (missing === 0 ? head + tail : `${head}… ${missing} characters left out …\n${tail}`),
  };
}
