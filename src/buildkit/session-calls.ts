import type { ServerHttp2Stream } from "node:http2";
import { type MethodDefinition, status } from "@grpc/grpc-js";
import { createFrameReader, frameMessage } from "./grpc-frames.ts";

/** One call of the daemon on the session. */
export interface IncomingCall {
  readonly stream: ServerHttp2Stream;
  /** Every value of a header in order. Node's header object joins them with ", ", which may be part of a value. */
  header(name: string): readonly string[];
  /** Sets what gets the messages; those that came before are kept until then. */
  onMessage(listener: (message: Buffer) => void): void;
  /** Aborts when the daemon gives the call up or the session ends. */
  readonly signal: AbortSignal;
}

/** Answers a call: it writes to the stream as it likes; when it returns the call ends well. */
export type CallHandler = (call: IncomingCall) => Promise<void>;

/** Methods by their path, such as "/grpc.health.v1.Health/Check". */
export type CallHandlers = ReadonlyMap<string, CallHandler>;

/** Ends a call with a gRPC status other than "unknown". */
export class CallError extends Error {
  override readonly name = "CallError";
  readonly code: status;

  constructor(code: status, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Makes a handler of a method that takes one message and answers one. */
export function unary<Request, Response>(
  method: MethodDefinition<Request, Response>,
  answer: (request: Request, options: { signal: AbortSignal }) => Promise<Response>,
): CallHandler {
  return async (call) => {
    const request = await new Promise<Buffer>((resolve, reject) => {
      call.onMessage(resolve);
      call.signal.addEventListener("abort", () => reject(call.signal.reason), { once: true });
    });
    const response = await answer(method.requestDeserialize(request), { signal: call.signal });
    if (!call.stream.destroyed) call.stream.write(frameMessage(method.responseSerialize(response)));
  };
}

/**
 * Answers one call with the handler of its path, or with "unimplemented".
 * @param rawHeaders flat [name, value, name, value]
 * @param options.onFault gets each error that a handler throws, before the daemon is told of it
 */
export function answerCall(
  stream: ServerHttp2Stream,
  rawHeaders: readonly string[],
  options: { handlers: CallHandlers; onFault: (error: unknown) => void },
): void {
  const headers = readHeaders(rawHeaders);
  const gone = new AbortController();
  stream.on("error", (error) => gone.abort(error));
  stream.once("close", () => gone.abort(new Error("the daemon has given the call up")));
  const handler = options.handlers.get(headers.get(":path")?.[0] ?? "");
  if (handler === undefined) {
    endAtOnce(stream, status.UNIMPLEMENTED);
    return;
  }
  void runCall(stream, handler, createCall(stream, headers, gone.signal)).catch((error: unknown) => {
    if (!gone.signal.aborted) options.onFault(error);
    endCall(stream, error);
  });
}

async function runCall(stream: ServerHttp2Stream, handler: CallHandler, call: IncomingCall): Promise<void> {
  if (stream.destroyed) return;
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  await handler(call);
  endCall(stream, undefined);
}

function createCall(stream: ServerHttp2Stream, headers: Map<string, string[]>, signal: AbortSignal): IncomingCall {
  let listener: ((message: Buffer) => void) | undefined;
  const read = createFrameReader((message) => listener?.(message));
  return {
    stream,
    signal,
    header: (name) => headers.get(name) ?? [],
    onMessage(added) {
      listener = added;
      stream.on("data", (chunk: Buffer) => {
        try {
          read(chunk);
        } catch (error) {
          stream.destroy(error as Error);
        }
      });
    },
  };
}

function readHeaders(rawHeaders: readonly string[]): Map<string, string[]> {
  const headers = new Map<string, string[]>();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] as string).toLowerCase();
    const values = headers.get(name) ?? [];
    values.push(rawHeaders[index + 1] as string);
    headers.set(name, values);
  }
  return headers;
}

function endAtOnce(stream: ServerHttp2Stream, code: status): void {
  if (stream.destroyed) return;
  const headers = { ":status": 200, "content-type": "application/grpc", "grpc-status": String(code) };
  stream.respond(headers, { endStream: true });
  stream.resume();
}

/** Ends the call with a status. The stream may be gone: an answer to it would throw out of an event handler. */
function endCall(stream: ServerHttp2Stream, error: unknown): void {
  if (stream.destroyed || stream.writableEnded) return;
  stream.once("wantTrailers", () => {
    if (!stream.destroyed) stream.sendTrailers(trailersOf(error));
  });
  stream.end();
  stream.resume();
}

function trailersOf(error: unknown): Record<string, string> {
  if (error === undefined) return { "grpc-status": "0" };
  const code = error instanceof CallError ? error.code : status.UNKNOWN;
  const message = error instanceof Error ? error.message : String(error);
  return { "grpc-status": String(code), "grpc-message": encodeURIComponent(message.slice(0, 1000).toWellFormed()) };
}
