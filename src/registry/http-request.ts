import type { IncomingMessage, request as requestType } from "node:http";
import type { LookupFunction } from "node:net";

/** An import would also load what node:http offers of WebSockets and fetch: that takes longer than all of ours. */
const { request: requestPlain } = process.getBuiltinModule("node:http");

export interface HttpRequest {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** `follow`: of GET and HEAD, without what is only for the first server. `error`: one is an error. Else an answer. */
  readonly redirect?: "follow" | "error";
  /** Finds a host's addresses; the system's own where absent. */
  readonly lookup?: LookupFunction;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  /** A success. */
  readonly ok: boolean;
  /** "" where there is none. */
  header(name: string): string;
  /** Either this is read, or `discard` is called. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Lets the connection serve the next request. */
  discard(): void;
}

const maxRedirects = 5;

/**
 * Sends a request and answers with the head of what comes back. Node's `fetch` can do the same, but takes longer to load
 * than most registries take to answer, and twice the work for each request.
 * @throws Error of the connection, or that the signal was aborted
 */
export async function sendHttp(url: URL, request: HttpRequest): Promise<HttpAnswer> {
  let [target, headers] = [url, request.headers ?? {}];
  for (let redirects = 0; ; redirects++) {
    const answer = await sendSurely(target, { ...request, headers });
    const next = redirectOf(answer, target, request);
    if (next === undefined) return answer;
    answer.discard();
    if (request.redirect === "error") throw new Error(`it redirects to ${next.origin}`);
    if (redirects === maxRedirects) throw new Error(`it redirects more than ${maxRedirects} times`);
    if (next.origin !== target.origin) headers = withoutAuthorization(headers);
    target = next;
  }
}

function redirectOf(answer: HttpAnswer, from: URL, { method, redirect }: HttpRequest): URL | undefined {
  const location = answer.header("location");
  if (![301, 302, 303, 307, 308].includes(answer.status) || location === "" || redirect === undefined) return undefined;
  if (redirect === "follow" && method !== "GET" && method !== "HEAD") return undefined;
  return new URL(location, from);
}

function withoutAuthorization(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== "authorization"));
}

/** A connection that waited for its next request may be closed by then: that is no answer, and another is opened. */
async function sendSurely(url: URL, request: HttpRequest): Promise<HttpAnswer> {
  try {
    return await sendOnce(url, request);
  } catch (error) {
    if (!(error instanceof StaleConnection)) throw error;
    return sendOnce(url, { ...request, headers: { ...request.headers, connection: "close" } });
  }
}

class StaleConnection extends Error {
  override readonly name = "StaleConnection";
}

async function sendOnce(url: URL, { method, headers, body, lookup, signal }: HttpRequest): Promise<HttpAnswer> {
  signal.throwIfAborted();
  const length = body && { "content-length": String(body.length) };
  // A connection that is shared was opened to an address that another lookup found.
  const own = lookup && ({ lookup, agent: false } as const);
  const send = senderOf(url);
  return new Promise((resolve, reject) => {
    const sent = send(url, { method, headers: { ...headers, ...length }, ...own, signal });
    sent.once("response", (incoming) => resolve(answerOf(incoming)));
    sent.once("error", (cause: NodeJS.ErrnoException) => {
      const isStale = sent.reusedSocket && ["ECONNRESET", "EPIPE"].includes(cause.code ?? "") && !signal.aborted;
      reject(isStale ? new StaleConnection("the connection was closed", { cause }) : cause);
    });
    sent.end(body);
  });
}

/** What TLS needs is loaded where it is spoken. */
function senderOf({ protocol }: URL): typeof requestType {
  if (protocol === "http:") return requestPlain;
  if (protocol === "https:") return process.getBuiltinModule("node:https").request;
  throw new Error(`${protocol} is no way to a registry: expected https`);
}

function answerOf(incoming: IncomingMessage): HttpAnswer {
  const status = incoming.statusCode ?? 0;
  return {
    status,
    ok: status >= 200 && status < 300,
    header: (name) => [incoming.headers[name] ?? ""].flat().join(", "),
    body: incoming,
    discard: () => void incoming.resume(),
  };
}
