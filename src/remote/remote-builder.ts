import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { pipeline } from "node:stream/promises";
import { BuilderError, messageOf } from "../errors.ts";
import {
  type BuildDocument,
  type BuildRecord,
  parseBuildDocument,
  parseBuildRecord,
  parseFault,
} from "../model/build-api.ts";
import type { BuildEvent } from "../model/build-event.ts";
import { createLogReader } from "./log-events.ts";
import { parseSealingKey, type SealingKey } from "./seal-secrets.ts";

/*
 * The client's side of the build API as it has been since 2023, for any server that speaks it:
 *
 *   we      POST /build, the archive with its length, X-Build-Signature: sha256=HMAC of the body,
 *           Accept: application/x-ndjson
 *   server  200 or 202 and records, one JSON object a line: {status: "in_progress", log: [...]} ...,
 *           then exactly one {status: "success" | "failed", image, error}; or, from servers that do not stream, one
 *           JSON document {log, image, status, error} with any status code
 *
 * Servers of other makers take a signature of the body alone. Ours may ask for one that is good only once (401 that
 * names X-Build-Timestamp): that is X-Build-Timestamp: SECONDS, and the HMAC of "SECONDS.BODY".
 *
 * A stream that ends without its last record has failed, whatever came before. Secrets are sealed for the key that
 * GET /publickey, beside the door of builds, answers: {key_id, algorithm, public_key}.
 */

/** An archive that lies ready. */
export interface RemoteOrder {
  /** Of the tar archive on this disk. */
  readonly file: string;
  /** HMAC-SHA256 of a text and then the file, in hex; absent where the server asks for none. */
  sign?(before: string): Promise<string>;
}

export interface RemoteBuilder {
  /**
   * Has an archive built.
   * @returns the image's name as the server says it, and its digest where it tells one
   * @throws BuilderError `build_failed`; `builder_refused` where the server takes no such request;
   *   `builder_unreachable`, also when its answer ends too early; `too_busy`; the signal's reason
   */
  build(
    order: RemoteOrder,
    options: { signal: AbortSignal; onEvent: (event: BuildEvent) => void },
  ): Promise<RemoteImage>;
  /**
   * Asks for the key that build secrets are to be sealed for.
   * @throws BuilderError `builder_refused` where the server has none, `builder_unreachable`, the signal's reason
   */
  fetchKey(options: { signal: AbortSignal }): Promise<SealingKey>;
}

export interface RemoteImage {
  readonly image: string;
  readonly digest: string | undefined;
}

/** A line is below 64 KiB where a server means it well; one without end is not gathered. */
const maxLineBytes = 1024 * 1024;
const maxDocumentBytes = 64 * 1024 * 1024;
const keyLimitMs = 30_000;

/**
 * Creates a client of one server.
 * @param address "https://HOST", or with the path of its door where that is not /build
 * @param options.stamp makes every signature good only once, and not only where the server asks for it
 * @throws BuilderError `usage` where the address is none
 */
export function createRemoteBuilder(address: string, { stamp = false }: { stamp?: boolean } = {}): RemoteBuilder {
  const url = parseAddress(address);
  let lastStamp = 0;
  /** No two are the same: equal archives would have equal signatures, and the second one be taken for a repetition. */
  const nextStamp = () => {
    lastStamp = Math.max(Math.floor(Date.now() / 1000), lastStamp + 1);
    return String(lastStamp);
  };
  return {
    async build(order, options) {
      options.signal.throwIfAborted();
      if (!order.sign) return await request(url, order, options);
      if (!stamp) {
        try {
          return await request(url, { ...order, signed: { signature: await order.sign("") } }, options);
        } catch (error) {
          if (!asksForStamp(error)) throw error;
        }
      }
      const now = nextStamp();
      return await request(url, { ...order, signed: { signature: await order.sign(`${now}.`), stamp: now } }, options);
    },
    fetchKey: ({ signal }) => fetchKey(new URL("publickey", url), signal),
  };
}

function asksForStamp(error: unknown): boolean {
  return (
    error instanceof BuilderError &&
    error.code === "builder_refused" &&
    /X-Build-Timestamp/i.test(`${error.message} ${error.fix}`)
  );
}

interface SignedOrder {
  readonly file: string;
  readonly signed?: { readonly signature: string; readonly stamp?: string };
}

async function request(
  url: URL,
  order: SignedOrder,
  { signal, onEvent }: Parameters<RemoteBuilder["build"]>[1],
): Promise<RemoteImage> {
  const response = await send(url, order, signal);
  try {
    const reader = createLogReader(onEvent);
    return await (streams(response) ? readStream : readDocument)(response, reader.line);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof BuilderError) throw error;
    throw unreachable(url, error);
  } finally {
    response.destroy();
  }
}

async function fetchKey(url: URL, given: AbortSignal): Promise<SealingKey> {
  const signal = AbortSignal.any([given, AbortSignal.timeout(keyLimitMs)]);
  try {
    const response = await fetch(url, { signal });
    const text = await response.text();
    if (response.ok) return parseSealingKey(text, `what ${url} answers`);
    throw refusal({ code: response.status, text });
  } catch (error) {
    given.throwIfAborted();
    if (error instanceof BuilderError) throw error;
    throw unreachable(url, error);
  }
}

function parseAddress(address: string): URL {
  const url = URL.parse(address);
  if (!url || !["http:", "https:"].includes(url.protocol)) {
    throw new BuilderError(
      "usage",
      `"${address}" is no address of a builder: expected http://HOST:PORT or https://HOST`,
    );
  }
  if (url.pathname === "/") url.pathname = "/build";
  return url;
}

/** Sends the archive, and answers when the head of the response is there. */
async function send(url: URL, { file, signed }: SignedOrder, signal: AbortSignal): Promise<IncomingMessage> {
  const { size } = await stat(file);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sending = (url.protocol === "https:" ? requestHttps : requestHttp)(url, {
    method: "POST",
    signal,
    agent: false,
    headers: {
      "Content-Type": "application/octet-stream",
      "Content-Length": size,
      Accept: "application/x-ndjson",
      "User-Agent": "of-builder",
      ...(signed && { "X-Build-Signature": `sha256=${signed.signature}` }),
      ...(signed?.stamp !== undefined && { "X-Build-Timestamp": signed.stamp }),
    },
  });
  sending.once("response", resolve);
  sending.on("error", reject);
  pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), sending).catch(reject);
  try {
    return await promise;
  } catch (error) {
    signal.throwIfAborted();
    throw unreachable(url, error);
  }
}

function streams(response: IncomingMessage): boolean {
  const isTaken = response.statusCode === 200 || response.statusCode === 202;
  return isTaken && /application\/x-ndjson/i.test(response.headers["content-type"] ?? "");
}

async function readStream(response: IncomingMessage, onLine: (line: string) => void): Promise<RemoteImage> {
  for await (const line of linesOf(response)) {
    const record = line.trim() === "" ? undefined : parseBuildRecord(line);
    if (line.trim() !== "" && !record)
      throw broken(`sent a line that is no record: ${JSON.stringify(line.slice(0, 100))}`);
    for (const text of record?.log ?? []) onLine(text);
    if (record && record.status !== "in_progress") return resultOf(record);
  }
  throw broken("ended its answer without telling how the build ended");
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of response.setEncoding("utf8")) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > maxLineBytes) throw broken(`sent a line of more than ${maxLineBytes} bytes`);
    yield* lines;
  }
  if (rest !== "") yield rest;
}

/** Older servers answer once; so does every server that refuses. */
async function readDocument(response: IncomingMessage, onLine: (line: string) => void): Promise<RemoteImage> {
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) {
    text += chunk;
    if (text.length > maxDocumentBytes) throw broken(`sent more than ${maxDocumentBytes} bytes`);
  }
  const document = parseBuildDocument(text);
  for (const line of document?.log ?? []) onLine(line);
  const isTaken = response.statusCode === 200 || response.statusCode === 202;
  if (isTaken && document) return resultOf(document);
  const retryAfterMs = readRetryAfter(response.headers["retry-after"]);
  throw refusal({ code: response.statusCode ?? 0, text, document, retryAfterMs });
}

/** Seconds, or a date. @returns milliseconds from now; 0 where nothing of that form is told */
function readRetryAfter(header = ""): number {
  const ms = /^\d{1,6}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? 0 : Math.max(0, ms);
}

function resultOf({ status, image = "", error = "", digest }: BuildRecord | BuildDocument): RemoteImage {
  if (status === "success") return { image, digest };
  throw new BuilderError("build_failed", error || status);
}

interface Refused {
  readonly code: number;
  readonly text: string;
  /** What the text holds, where it is one of the build API. */
  readonly document?: BuildDocument | undefined;
  readonly retryAfterMs?: number;
}

function refusal({ code, text, document, retryAfterMs = 0 }: Refused): BuilderError {
  const told = document?.error || document?.status || parseFault(text)?.error || text.trim().slice(0, 500);
  const words = told.replace(/^unexpected failure: /, "") || "no reason";
  const fix = document?.fix ?? parseFault(text)?.fix;
  const details = { retryAfterMs, ...(fix !== undefined && { fix }) };
  if (document?.log && document.log.length > 0) return new BuilderError("build_failed", words, details);
  if (code === 429 || code === 503)
    return new BuilderError("too_busy", `the builder answers ${code}: ${words}`, details);
  return new BuilderError("builder_refused", `the builder answers ${code}: ${words}`, details);
}

function broken(what: string): BuilderError {
  return new BuilderError("builder_unreachable", `the builder ${what}`);
}

function unreachable({ origin }: URL, cause: unknown): BuilderError {
  return new BuilderError("builder_unreachable", `the builder at ${origin} does not answer: ${messageOf(cause)}`, {
    cause,
  });
}
