import { BuilderError } from "../errors.ts";
import type { BuildEvent } from "../model/build-event.ts";
import { logLines } from "./build-log.ts";
import { isBeforeSolve, type LegacyForm, legacyStatusOf } from "./legacy-status.ts";

/** How a request of the build API ended. */
export type BuildEnd =
  | { readonly state: "success"; readonly image: string; readonly digest: string | undefined }
  /** The build ran and failed. */
  | { readonly state: "failed"; readonly image: string; readonly error: unknown }
  /** There was no build. */
  | { readonly state: "refused"; readonly error: unknown };

/** Takes the events of a build and answers its client. */
export interface BuildAnswer {
  /** From here on there is a build, and an answer that streams has begun. */
  begin(): void;
  onEvent(event: BuildEvent): void;
  /** Tells how many builds are before this one; undefined: it is its turn. */
  onPlace(before: number | undefined): void;
  end(end: BuildEnd): void;
}

/** The part of Express's response that answers need. */
export interface Reply {
  readonly headersSent: boolean;
  status(code: number): Reply;
  set(header: string, value: string): Reply;
  type(type: string): Reply;
  send(text: string): unknown;
}

const maxLogBytes = 4 * 1024 * 1024;

/**
 * Answers once, at the end, with one JSON document that clients of every age read: `log`, `imageName` and `status`
 * since 2018, `image` and `error` since 2023, `digest` and `duration` (seconds) of our own. Of a log above 4 MiB the
 * end is kept.
 */
export function createWholeAnswer(reply: Reply): BuildAnswer {
  const started = performance.now();
  return gatherLog((end, lines) => {
    const { code, status } = statusOf(end);
    if (end.state !== "success") setRetryAfter(reply, end.error);
    const document = { log: lines, ...documentOf(end, status), duration: secondsSince(started) };
    reply.status(code).type("application/json").send(toGoJson(document));
  });
}

/** Answers once, at the end, as OpenFaaS Cloud's of-builder did. */
export function createLegacyAnswer(reply: Reply, form: LegacyForm): BuildAnswer {
  const started = performance.now();
  return gatherLog((end, lines) => {
    const { code, status } = legacyStatusOf(end, form);
    const told: BuildEnd = isBeforeSolve(end) && end.state === "failed" ? { state: "refused", error: end.error } : end;
    const log = told.state === "refused" ? null : lines;
    const document = { log, ...documentOf(told, status), duration: secondsSince(started) };
    reply
      .status(code)
      .type("text/plain")
      .send(form === "text" ? status : toGoJson(document));
  });
}

/** Of what was never built there is no log. */
function gatherLog(end: (end: BuildEnd, lines: readonly string[] | null) => void): BuildAnswer {
  const log = createTail(maxLogBytes);
  return {
    begin() {},
    onEvent(event) {
      for (const line of logLines(event, Date.now())) log.push(line);
    },
    onPlace() {},
    end: (told) => end(told, told.state === "refused" ? null : log.lines()),
  };
}

function documentOf(end: BuildEnd, status: string): object {
  const image = end.state === "refused" ? "" : end.image;
  if (end.state === "success") return { imageName: image, image, status, error: "", digest: end.digest ?? "" };
  const fix = end.error instanceof BuilderError ? { fix: end.error.fix } : {};
  return { imageName: image, image, status, error: publicMessage(end.error), digest: "", ...fix };
}

const retryAfterSeconds = "30";

/** Says when to come again, where that may help. */
function setRetryAfter(reply: Reply, error: unknown): void {
  if (error instanceof BuilderError && [429, 503].includes(error.http)) reply.set("Retry-After", retryAfterSeconds);
}

/** Seconds to the millisecond. */
export function secondsSince(start: number): number {
  return Math.round(performance.now() - start) / 1000;
}

/** What is told of a fault; of a bug only that there is one. */
export function publicMessage(error: unknown): string {
  return error instanceof BuilderError ? error.message : "of-builder failed: see its log";
}

/** JSON as Go writes it: safe to be put into a page. */
export function toGoJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Clients from 2018 test for 200 alone; a 4xx would tell newer ones that the request was at fault, not the build. */
function statusOf(end: BuildEnd): { code: number; status: string } {
  if (end.state === "success") return { code: 200, status: "success" };
  const http = end.error instanceof BuilderError ? end.error.http : 500;
  const message = publicMessage(end.error);
  if (end.state === "refused") return { code: http, status: `unexpected failure: ${message}` };
  const solve = end.error instanceof BuilderError && end.error.code === "build_failed" ? "failed to solve: " : "";
  return { code: Math.max(http, 500), status: `failure: ${solve}${message}` };
}

/** Keeps the last lines of a log. */
function createTail(maxBytes: number): { push(line: string): void; lines(): readonly string[] } {
  let kept: string[] = [];
  let bytes = 0;
  let dropped = 0;
  const shrink = () => {
    let start = 0;
    for (; start < kept.length - 1 && bytes > maxBytes; start++) bytes -= kept[start]?.length ?? 0;
    dropped += start;
    kept = kept.slice(start);
  };
  return {
    push(line) {
      kept.push(line.slice(-maxBytes));
      bytes += Math.min(line.length, maxBytes);
      // Twice as much is let in before, or each further line would copy all others.
      if (bytes > 2 * maxBytes) shrink();
    },
    lines() {
      shrink();
      return dropped === 0 ? kept : [`(${dropped} earlier lines left out)`, ...kept];
    },
  };
}
