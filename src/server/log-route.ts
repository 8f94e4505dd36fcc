import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import type { Request, Response } from "express";
import { BuilderError } from "../errors.ts";
import { createFollowers } from "./followers.ts";

/*
 * A function's log. As text/plain: all of it so far, and the end. With "Accept: text/event-stream": Server-Sent Events
 * until the function has ended,
 *
 *   id: BYTES OF THE LOG UP TO HERE
 *   data: a line, or several of them
 *
 * and at last "event: end". Who comes again with Last-Event-ID (or ?from=) goes on exactly there, at any server. An
 * "event: retry" says that this server is about to stop.
 */

export interface LogRouteHands {
  /** The log from a byte on, as far as it is; undefined where there is none. */
  readLog(log: FunctionLog, from: number): Promise<AsyncIterable<Buffer> | undefined>;
  /** The log from a byte on until its function has ended. */
  followLog(log: FunctionLog, options: { from: number; signal: AbortSignal }): AsyncIterable<Buffer>;
  /** Aborts when the server is about to stop. */
  readonly leaving: AbortSignal;
  readonly heartbeatMs?: number;
}

export interface FunctionLog {
  readonly push: string;
  readonly name: string;
}

const heartbeatDefaultMs = 15_000;

/** Creates the handler of one function's log; who may see it has been asked before. */
export function createLogRoute(hands: LogRouteHands) {
  const followers = createFollowers();
  return async (
    { request, response }: { request: Request; response: Response },
    { token, ...log }: FunctionLog & { token: string },
  ): Promise<void> => {
    response.set("X-Content-Type-Options", "nosniff");
    const from = readPlace(request);
    if (!request.accepts(["text/plain", "text/event-stream"])) {
      throw new BuilderError("body_invalid", "a log is text/plain or text/event-stream");
    }
    if (request.accepts(["text/plain", "text/event-stream"]) === "text/plain") {
      response.type("text/plain");
      await pipeline((await hands.readLog(log, from)) ?? [], response);
      return;
    }
    using _place = followers.take(token);
    await sendEvents(response, { log, from, hands });
  };
}

function readPlace(request: Request): number {
  const text = String(request.get("Last-Event-ID") || request.query.from || "0");
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new BuilderError("body_invalid", `"${text}" is no place in a log: expected a number of bytes`);
}

async function sendEvents(
  response: Response,
  { log, from, hands }: { log: FunctionLog; from: number; hands: LogRouteHands },
): Promise<void> {
  const gone = new AbortController();
  const leave = () => gone.abort();
  response.once("close", leave);
  hands.leaving.addEventListener("abort", leave);
  if (hands.leaving.aborted) leave();
  response.writeHead(200, { "Content-Type": "text/event-stream", "X-Accel-Buffering": "no" });
  response.flushHeaders();
  const heartbeat = setInterval(() => response.write(":\n\n"), hands.heartbeatMs ?? heartbeatDefaultMs);
  try {
    for await (const { text, end } of wholeLines(hands.followLog(log, { from, signal: gone.signal }), from)) {
      const isTaken = response.write(
        `id: ${end}\n${text
          .split("\n")
          .map((line) => `data: ${line}\n`)
          .join("")}\n`,
      );
      if (!isTaken) await once(response, "drain", { signal: gone.signal });
    }
    if (!response.destroyed) response.end(`event: ${gone.signal.aborted ? "retry" : "end"}\ndata:\n\n`);
  } catch (error) {
    if (!gone.signal.aborted) throw error;
    response.end();
  } finally {
    clearInterval(heartbeat);
    response.off("close", leave);
    hands.leaving.removeEventListener("abort", leave);
  }
}

const newline = 10;
/** Of a log in large pieces, so much goes into one event. */
const eventBytes = 64 * 1024;

/** Cuts what comes anywhere into whole lines, with the bytes of the log up to their end. */
async function* wholeLines(
  log: AsyncIterable<Buffer>,
  from: number,
): AsyncGenerator<{ readonly text: string; readonly end: number }> {
  let rest = Buffer.alloc(0);
  let at = from;
  for await (const bytes of log) {
    rest = Buffer.concat([rest, bytes]);
    for (let cut = lineEnd(rest); cut > 0; cut = lineEnd(rest)) {
      at += cut;
      yield { text: rest.subarray(0, cut - 1).toString(), end: at };
      rest = rest.subarray(cut);
    }
  }
  if (rest.length > 0) yield { text: rest.toString(), end: at + rest.length };
}

/** Where the last whole line of an event ends; 0 where there is none. */
function lineEnd(bytes: Buffer): number {
  const last = bytes.lastIndexOf(newline, eventBytes);
  return (last < 0 ? bytes.indexOf(newline) : last) + 1;
}
