import { StringDecoder } from "node:string_decoder";
import type { Location } from "../errors.ts";
import type { BuildEvent } from "../model/build-event.ts";
import { excerptOfLines } from "../model/line-excerpt.ts";
import { type BuildWarning, warningKey } from "../model/warning-lines.ts";
import type { StatusResponse, Vertex, VertexLog, VertexStatus, VertexWarning } from "./generated/control.ts";
import { createLogTails } from "./log-tails.ts";
import { placeOf } from "./source-place.ts";

/** A step that failed. */
export interface FailedStep {
  readonly digest: string;
  readonly name: string;
  readonly error: string;
  /** The last lines that it printed. */
  readonly lines: readonly string[];
}

export interface Progress {
  /** Takes one message of the Status stream. */
  take(message: StatusResponse): void;
  /** The steps that have failed so far, oldest first. */
  failed(): readonly FailedStep[];
}

/** A push can make a build with a million steps: what is remembered of them is bounded. */
const maxFailed = 100;
const maxDecoders = 1000;
const maxWarnings = 100;
const stdout = 1n;

/**
 * Turns BuildKit's Status messages into events. Log bytes come cut anywhere, so each stream of each step has a text
 * decoder of its own; a step may run several times, and its decoder starts anew each time.
 */
export function createProgress(onEvent: (event: BuildEvent) => void): Progress {
  const failed = new Map<string, FailedStep>();
  const tails = createLogTails();
  const decode = createDecoders();
  const warned = new Set<string>();
  const takeVertex = (vertex: Vertex) => {
    onEvent(vertexEvent(vertex));
    if (vertex.completed === undefined) return;
    decode.end(vertex.digest);
    const { digest, name, error } = vertex;
    const lines = tails.end(digest);
    if (error !== "" && failed.size < maxFailed) {
      failed.set(digest, { digest, name, error, lines: lines.length > 0 ? lines : (failed.get(digest)?.lines ?? []) });
    }
  };
  const takeLog = (log: VertexLog) => {
    const text = decode.text(log);
    if (text === "") return;
    tails.add(log.vertex, text);
    onEvent({ kind: "log", vertex: log.vertex, stream: streamOf(log), timestamp: timeOf(log.timestamp) ?? 0, text });
  };
  const takeWarning = (warning: VertexWarning) => {
    const event = warningEvent(warning);
    const key = warningKey(event);
    if (warned.has(key) || warned.size >= maxWarnings) return;
    warned.add(key);
    onEvent(event);
  };
  return {
    take({ vertexes, statuses, logs, warnings }) {
      // Logs first: the message that ends a step brings its last words, too.
      for (const log of logs) takeLog(log);
      for (const vertex of vertexes) takeVertex(vertex);
      for (const status of statuses) onEvent(statusEvent(status));
      for (const warning of warnings) takeWarning(warning);
    },
    failed: () => [...failed.values()],
  };
}

function createDecoders() {
  const decoders = new Map<string, StringDecoder>();
  return {
    text(log: VertexLog): string {
      const key = `${log.vertex} ${streamOf(log)}`;
      const decoder = decoders.get(key) ?? new StringDecoder("utf8");
      if (decoders.size >= maxDecoders) decoders.clear();
      decoders.set(key, decoder);
      return decoder.write(log.msg);
    },
    end(digest: string): void {
      decoders.delete(`${digest} stdout`);
      decoders.delete(`${digest} stderr`);
    },
  };
}

function streamOf(log: VertexLog): "stdout" | "stderr" {
  return log.stream === stdout ? "stdout" : "stderr";
}

function vertexEvent(vertex: Vertex): BuildEvent {
  const { digest, name, cached, error } = vertex;
  const started = timeOf(vertex.started);
  return { kind: "vertex", digest, name, cached, error, started, completed: timeOf(vertex.completed) };
}

function statusEvent(status: VertexStatus): BuildEvent {
  const { vertex, id } = status;
  return {
    kind: "status",
    vertex,
    id,
    current: Number(status.current),
    total: Number(status.total),
    started: timeOf(status.started),
    completed: timeOf(status.completed),
    timestamp: timeOf(status.timestamp) ?? 0,
  };
}

function warningEvent(warning: VertexWarning): BuildWarning {
  const { vertex, url, info } = warning;
  const detail = warning.detail.map((line) => line.toString("utf8"));
  const message = warning.short.toString("utf8");
  const location = locationOf(warning);
  const excerpt = location && info && excerptOfLines(info.data.toString("utf8"), location);
  return { kind: "warning", vertex, url, message, detail, location, ...(excerpt && { excerpt }) };
}

function locationOf({ info, ranges }: VertexWarning): Location | undefined {
  return (
    info &&
    placeOf(
      info.filename,
      ranges.map(({ start, end }) => ({ start: start?.line, end: end?.line })),
    )
  );
}

function timeOf(date: Date | undefined): number | undefined {
  return date?.getTime();
}
