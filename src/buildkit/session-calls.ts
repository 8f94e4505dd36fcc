import type { MethodDefinition } from "@grpc/grpc-js";
import { createFrameReader, frameMessage } from "./grpc-frames.ts";
import { type StatusCode, status } from "./grpc-status.ts";
import type { Header } from "./hpack.ts";
import type { Http2Stream } from "./http2-stream.ts";

/** One call of the daemon on the session. */
export interface IncomingCall {
  readonly stream: Http2Stream;
  /** Every value of a header in order: one may come repeatedly. */
  header(name: string): readonly string[];
  /** Sets what gets the messages, each its own to read until it returns; those that came before are kept until then. */
  onMessage(listener: (message: Buffer) => void, onEnd?: () => void): void;
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
  readonly code: StatusCode;

  constructor(code: StatusCode, message: string, options?: ErrorOptions) {
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
      call.onMessage((message) => resolve(Buffer.from(message)));
      call.signal.addEventListener("abort", () => reject(call.signal.reason), { once: true });
    });
    const response = await answer(method.requestDeserialize(request), { signal: call.signal });
    call.stream.write(frameMessage(method.responseSerialize(response)));
  };
}

/**
 * Answers one call with the handler of its path, or with "unimplemented".
 * @param options.onFault gets each error that a handler throws, before the daemon is told of it
 * @returns when the handler has ended; it never rejects
 */
export function answerCall(
  stream: Http2Stream,
  headers: readonly Header[],
  options: { handlers: CallHandlers; onFault: (error: unknown) => void },
): Promise<void> {
  const values = Map.groupBy(headers, ([name]) => name);
  const header = (name: string) => values.get(name)?.map(([, value]) => value) ?? [];
  const handler = options.handlers.get(header(":path")[0] ?? "");
  if (handler === undefined) {
    stream.finish([...answerHeaders, ["grpc-status", String(status.UNIMPLEMENTED)]]);
    return Promise.resolve();
  }
  stream.respond(answerHeaders);
  return handler(createCall(stream, header)).then(
    () => stream.finish(trailersOf(undefined)),
    (error: unknown) => {
      if (!stream.isClosed) options.onFault(error);
      stream.finish(trailersOf(error));
    },
  );
}

const answerHeaders: readonly Header[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];

function createCall(stream: Http2Stream, header: IncomingCall["header"]): IncomingCall {
  return {
    stream,
    header,
    signal: stream.signal,
    onMessage: (listener, onEnd = () => undefined) => stream.listen({ onBytes: createFrameReader(listener), onEnd }),
  };
}

function trailersOf(error: unknown): Header[] {
  if (error === undefined) return [["grpc-status", String(status.OK)]];
  const code = error instanceof CallError ? error.code : status.UNKNOWN;
  const message = error instanceof Error ? error.message : String(error);
  return [
    ["grpc-status", String(code)],
    ["grpc-message", encodeURIComponent(message.slice(0, 1000).toWellFormed())],
  ];
}
