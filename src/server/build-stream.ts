import type { ServerResponse } from "node:http";
import { type BuildAnswer, type BuildEnd, publicMessage, secondsSince, toGoJson } from "./build-answer.ts";
import { logLines, timeText } from "./build-log.ts";

/*
 * The streamed answer that faas-cli from 0.17.5 asks for with "Accept: application/x-ndjson": HTTP 200 as soon as the
 * build begins, then JSON records, one a line: {log, status: "in_progress", duration} as lines come in, at the end
 * exactly one {image, status: "success" | "failed", error, digest, duration}. duration is in seconds since the
 * beginning. A build that waits for its turn has records with {queue: HOW MANY ARE BEFORE IT}.
 *
 * The client takes a line of 64 KiB or a stream without a last record for success without a word, and breaks at a line
 * that is no JSON. So records stay below 60 KB, long lines are cut, the last record is always written, and what keeps
 * the connection open is a record too. The first sign of the next record always goes out with the one before it: where
 * the server is killed, half a record is left, and at that even this client fails.
 *
 * With "Accept: text/event-stream" the same records come as Server-Sent Events, the last one as event "end".
 */

/** How records are put on the wire. */
export type StreamForm = "ndjson" | "events";

const forms = {
  ndjson: {
    type: "application/x-ndjson",
    opening: "{",
    frame: (json: string, isLast: boolean) => `${json.slice(1)}\n${isLast ? "" : "{"}`,
  },
  events: {
    type: "text/event-stream",
    opening: "",
    frame: (json: string, isLast: boolean) => `${isLast ? "event: end\n" : ""}data: ${json}\n\n`,
  },
};

/** A character becomes at most six bytes of JSON (\u001b): one piece and the rest of a record stay below 60 KB. */
const maxPieceLength = 8000;
const maxRecordBytes = 56_000;
/** What may wait for a client that reads slowly; further lines are left out. */
const maxWaitingBytes = 8 * 1024 * 1024;

/** Creates the streamed answer. A record without lines is sent when nothing else was for `heartbeatMs`. */
export function createStreamedAnswer(
  response: ServerResponse,
  { heartbeatMs, form = "ndjson" }: { heartbeatMs: number; form?: StreamForm },
): BuildAnswer & { begun(): boolean } {
  const started = performance.now();
  const { frame } = forms[form];
  const record = (fields: object, isLast = false) =>
    frame(toGoJson({ ...fields, duration: secondsSince(started) }), isLast);
  const beat = () => (before === undefined ? { status: "in_progress" } : { status: "in_progress", queue: before });
  let before: number | undefined;
  let lines: string[] = [];
  let isFlushing = false;
  let dropped = 0;
  let heartbeat: NodeJS.Timeout | undefined;

  response.once("close", () => clearInterval(heartbeat));

  /** A client that has hung up is no fault of ours; the route hears of it by itself. */
  const write = (text: string) => {
    if (!response.destroyed) response.write(text);
  };

  const flush = () => {
    isFlushing = false;
    for (const log of groupLines(lines)) write(record({ log, status: "in_progress" }));
    if (lines.length > 0) heartbeat?.refresh();
    lines = [];
  };

  const take = (line: string) => {
    if (response.writableLength > maxWaitingBytes) {
      dropped += 1;
      return;
    }
    tellDropped();
    lines.push(...cutLine(line));
  };

  const tellDropped = () => {
    if (dropped > 0) lines.push(`(${dropped} lines left out: the client reads too slowly)`);
    dropped = 0;
  };

  return {
    begun: () => heartbeat !== undefined,
    begin() {
      openStream(response, forms[form]);
      heartbeat = setInterval(() => write(frame(toGoJson(beat()), false)), heartbeatMs);
    },
    onPlace(place) {
      before = place;
      if (place === undefined) return;
      const lines = [
        `l: ${timeText(Date.now())} waiting: ${place} ${place === 1 ? "build is" : "builds are"} before this one`,
      ];
      write(record({ log: lines, ...beat() }));
    },
    onEvent(event) {
      for (const line of logLines(event, Date.now())) take(line);
      // All that one update of BuildKit brings goes into one record.
      if (!isFlushing) setImmediate(flush);
      isFlushing = true;
    },
    end(end) {
      clearInterval(heartbeat);
      tellDropped();
      flush();
      response.end(record(lastRecord(end), true));
    },
  };
}

/** Proxies are asked to hand records on as they come. */
function openStream(response: ServerResponse, { type, opening }: { type: string; opening: string }): void {
  response.writeHead(200, { "Content-Type": type, "Cache-Control": "no-cache", "X-Accel-Buffering": "no" });
  response.flushHeaders();
  response.write(opening);
}

function lastRecord(end: BuildEnd): object {
  const image = end.state === "refused" ? "" : end.image;
  if (end.state === "success") return { image, status: "success", digest: end.digest };
  return { image, status: "failed", error: publicMessage(end.error).slice(0, maxPieceLength) };
}

/** Cuts a long line; each further piece begins with the first one's kind and time, so that it still is a line. */
function cutLine(line: string): readonly string[] {
  if (line.length <= maxPieceLength) return [line];
  const mark = /^[vsl]: \S+ /.exec(line)?.[0] ?? "";
  const text = line.slice(mark.length);
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    const end = endOfPiece(text, at + maxPieceLength - mark.length);
    pieces.push(mark + text.slice(at, end));
    at = end;
  }
  return pieces;
}

/** Both halves of a sign beyond 16 bits stay together. */
function endOfPiece(text: string, end: number): number {
  const code = text.charCodeAt(end - 1);
  return end < text.length && code >= 0xd800 && code < 0xdc00 ? end - 1 : end;
}

/** Groups lines into records that stay within their bound. */
function groupLines(lines: readonly string[]): readonly (readonly string[])[] {
  const groups: string[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const line of lines) {
    const lineBytes = Buffer.byteLength(toGoJson(line)) + 1;
    if (bytes + lineBytes > maxRecordBytes) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(line);
    bytes += lineBytes;
  }
  return groups;
}
