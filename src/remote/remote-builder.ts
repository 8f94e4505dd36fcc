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
 * The client's side of the build API, for any server that speaks it:
 *
 *   we      POST /build, the archive with its length, X-Build-Signature: sha256=HMAC of the body,
 *           Accept: application/x-ndjson
 *   server  200 or 202 and records, one JSON object a line: {status: "in_progress", log: [...]} ...,
 *           then exactly one {status: "success" | "failed", image, error}; or, from servers that do not stream, one
 *           JSON document {log, image, status, error} with any status code
 *
 * A stream that ends without its last record has failed, whatever came before. Secrets are sealed for the key that
 * GET /publickey, beside the door of builds, answers: {key_id, algorithm, public_key}.
 */

/** An archive that lies ready. */
export interface RemoteOrder {
  /** Of the tar archive on this disk. */
  readonly file: string;
  /** HMAC-SHA256 of the file, in hex; absent where the server asks for none. */
  readonly signature?: string;
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
 * @throws BuilderError `usage` where the address is none
 */
export function createRemoteBuilder(address: string): RemoteBuilder {
  const url = parseAddress(address);
  return {
    async build(order, { signal, onEvent }) {
      signal.throwIfAborted();
      const response = await send(url, order, signal);
      try {
        const reader = createLogReader(onEvent);
        const result = await (streams(response) ? readStream : readDocument)(response, reader.line);
        return result;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof BuilderError) throw error;
        throw unreachable(url, error);
      } finally {
        response.destroy();
      }
    },
    fetchKey: ({ signal }) => fetchKey(new URL("publickey", url), signal),
  };
}

async function fetchKey(url: URL, given: AbortSignal): Promise<SealingKey> {
  const signal = AbortSignal.any([given, AbortSignal.timeout(keyLimitMs)]);
  try {
    const response = await fetch(url, { signal });
    const text = await response.text();
    if (response.ok) return parseSealingKey(text, `what ${url} answers`);
    throw refusal(response.status, undefined, text);
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
async function send(url: URL, { file, signature }: RemoteOrder, signal: AbortSignal): Promise<IncomingMessage> {
  const { size } = await stat(file);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = (url.protocol === "https:" ? requestHttps : requestHttp)(url, {
    method: "POST",
    signal,
    agent: false,
    headers: {
      "Content-Type": "application/octet-stream",
      "Content-Length": size,
      Accept: "application/x-ndjson",
      "User-Agent": "of-builder",
      ...(signature !== undefined && { "X-Build-Signature": `sha256=${signature}` }),
    },
  });
  request.once("response", resolve);
  request.on("error", reject);
  pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), request).catch(reject);
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
  throw refusal(response.statusCode ?? 0, document, text);
}

function resultOf({ status, image = "", error = "", digest }: BuildRecord | BuildDocument): RemoteImage {
  if (status === "success") return { image, digest };
  throw new BuilderError("build_failed", error || status);
}

function refusal(code: number, document: BuildDocument | undefined, text: string): BuilderError {
  const told = document?.error || document?.status || parseFault(text)?.error || text.trim().slice(0, 500);
  const words = told.replace(/^unexpected failure: /, "") || "no reason";
  const fix = document?.fix ?? parseFault(text)?.fix;
  const details = fix === undefined ? {} : { fix };
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
