import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { BuilderError, messageOf } from "../errors.ts";
import { parseFault } from "../model/build-api.ts";
import {
  type ApiPushDetail,
  type ApiPushList,
  parseCancel,
  parsePushDetail,
  parsePushList,
  parseRebuild,
} from "../model/pushes-api.ts";

/** The client's side of the API below /api, on one server. */
export interface PushesClient {
  list(filter: Readonly<Record<string, string>>): Promise<ApiPushList>;
  read(id: string): Promise<ApiPushDetail>;
  cancel(id: string): Promise<"cancelled" | "ended">;
  /** @returns the id of the new push */
  rebuild(id: string, how: { force: boolean; functions?: readonly string[] }): Promise<string>;
  /** The lines of a function's log, as far as it is. */
  readLog(id: string, name: string): AsyncIterable<string>;
  /** The lines of a function's log until the function has ended; goes on by itself where a connection broke. */
  followLog(id: string, name: string): AsyncIterable<string>;
}

const answerLimitMs = 30_000;
const maxWaitMs = 10_000;
/** So long a server may be away while a log is followed. */
const maxAttempts = 10;

/**
 * Creates the client. Each of its functions throws BuilderError `builder_unreachable`, or `builder_refused` with the
 * server's own words, or the signal's reason.
 */
export function createPushesClient({
  url,
  token,
  signal,
}: {
  url: string;
  token: string;
  signal: AbortSignal;
}): PushesClient {
  const send = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const limit = init.signal ?? AbortSignal.any([signal, AbortSignal.timeout(answerLimitMs)]);
    const headers = { authorization: `Bearer ${token}`, ...init.headers };
    try {
      const answer = await fetch(new URL(`/api${path}`, url), { ...init, headers, signal: limit, redirect: "error" });
      if (answer.ok) return answer;
      throw refusal(answer.status, await answer.text());
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof BuilderError) throw cause;
      throw unreachable(url, cause);
    }
  };
  const ask = async <T>(parse: (value: unknown) => T | undefined, path: string, init?: RequestInit): Promise<T> => {
    const answer = parse(await (await send(path, init)).json().catch(() => undefined));
    if (answer !== undefined) return answer;
    throw new BuilderError("builder_refused", `${url} does not answer as of-builder does`);
  };
  const logPath = (id: string, name: string) => `${pathOf(id)}/functions/${encodeURIComponent(name)}/log`;

  return {
    list: (filter) => ask(parsePushList, `/pushes?${new URLSearchParams(filter)}`),
    read: (id) => ask(parsePushDetail, pathOf(id)),
    cancel: async (id) => (await ask(parseCancel, `${pathOf(id)}/cancel`, { method: "POST" })).result,
    async rebuild(id, how) {
      const headers = { "content-type": "application/json" };
      return (await ask(parseRebuild, `${pathOf(id)}/rebuild`, { method: "POST", headers, body: JSON.stringify(how) }))
        .id;
    },
    async *readLog(id, name) {
      yield* linesOf(await send(logPath(id, name), { signal, headers: { accept: "text/plain" } }));
    },
    followLog: (id, name) =>
      goOn(
        (last) => send(logPath(id, name), { signal, headers: { accept: "text/event-stream", "last-event-id": last } }),
        { url, signal },
      ),
  };
}

function pathOf(id: string): string {
  return `/pushes/${encodeURIComponent(id)}`;
}

/** How far a log was followed. */
interface Place {
  last: string;
  /** Connections since the last event. */
  attempts: number;
  fault: unknown;
}

/** Follows a log over as many connections as that takes, each of which goes on where the one before ended. */
async function* goOn(
  open: (last: string) => Promise<Response>,
  { url, signal }: { url: string; signal: AbortSignal },
): AsyncGenerator<string> {
  const place: Place = { last: "0", attempts: 0, fault: undefined };
  while (!(yield* oneConnection(open, place))) {
    signal.throwIfAborted();
    if (place.attempts > maxAttempts) throw unreachable(url, place.fault);
    await wait(Math.min(500 * 2 ** place.attempts, maxWaitMs), undefined, { signal });
  }
}

/** @returns whether the log has ended */
async function* oneConnection(
  open: (last: string) => Promise<Response>,
  place: Place,
): AsyncGenerator<string, boolean> {
  place.attempts += 1;
  try {
    for await (const { id, event, data } of eventsOf(await open(place.last))) {
      if (event !== "message") return event === "end";
      place.attempts = 0;
      place.last = id;
      yield* data;
    }
  } catch (error) {
    if (error instanceof BuilderError && error.code !== "builder_unreachable") throw error;
    place.fault = error;
  }
  return false;
}

interface LogEvent {
  readonly id: string;
  readonly event: string;
  readonly data: readonly string[];
}

/** Server-Sent Events; one that was cut off does not count. */
async function* eventsOf(answer: Response): AsyncGenerator<LogEvent> {
  let [id, event, data] = ["", "message", [] as string[]];
  for await (const line of linesOf(answer)) {
    const [, field, value = ""] = /^(\w+): ?(.*)$/s.exec(line) ?? [];
    if (field === "id") id = value;
    else if (field === "event") event = value;
    else if (field === "data") data.push(value);
    if (line === "" && data.length > 0) {
      yield { id, event, data };
      [event, data] = ["message", []];
    }
  }
}

async function* linesOf({ body }: Response): AsyncGenerator<string> {
  if (body) yield* createInterface({ input: Readable.fromWeb(body as never), crlfDelay: Number.POSITIVE_INFINITY });
}

function refusal(status: number, text: string): BuilderError {
  const fault = parseFault(text);
  const told = fault?.error ?? `HTTP ${status}`;
  const fix = fault?.fix ?? "Check the server's address.";
  return new BuilderError("builder_refused", `the server says: ${told}`, { fix });
}

function unreachable(url: string, cause: unknown): BuilderError {
  const reason = messageOf((cause as Error).cause ?? cause);
  return new BuilderError("builder_unreachable", `${url} does not answer: ${reason}`, { cause });
}
