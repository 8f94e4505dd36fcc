/*
 * Our calls of the daemon, on the connection of a build's session: gRPC over HTTP/2.
 *
 *   HEADERS; DATA with the one message, END_STREAM      HEADERS; DATA, message after message; HEADERS, END_STREAM
 *
 * The last HEADERS say how it went. Those of a failed Solve hold the whole Dockerfile, and over 64 KiB node's HTTP/2 does
 * not take them: some versions break the stream off, others drop them without a word, and the connection answers nothing
 * any more (open fault grpc/grpc-node#2399). That is one reason why builds are not asked for with grpc-js; the others
 * are two connections less for each build, and most of what grpc-js costs.
 */
import type { MethodDefinition } from "@grpc/grpc-js";
import { messageOf } from "../errors.ts";
import { createFrameReader, frameMessage } from "./grpc-frames.ts";
import { type StatusCode, status } from "./grpc-status.ts";
import type { Header } from "./hpack.ts";
import type { Http2Connection } from "./http2-connection.ts";
import type { Http2Stream } from "./http2-stream.ts";

export interface Call {
  /** Never rejects. */
  readonly ended: Promise<CallEnd>;
  /** Gives it up: it has ended then. */
  cancel(): void;
}

/** How a call has ended. */
export interface CallEnd {
  readonly code: StatusCode;
  readonly message: string;
  /** A google.rpc.Status that the daemon adds; the way to it never does. */
  readonly details: Buffer | undefined;
}

export interface CallOptions<Request, Response> {
  readonly method: MethodDefinition<Request, Response>;
  readonly request: Request;
  readonly onMessage: (message: Response) => void;
}

/**
 * Calls a method when there is a connection.
 * @param origin such as "http://localhost"
 */
export function makeCall<Request, Response>(
  connecting: Promise<Http2Connection>,
  origin: string,
  { method, request, onMessage }: CallOptions<Request, Response>,
): Call {
  const { promise: ended, resolve } = Promise.withResolvers<CallEnd>();
  let isCancelled = false;
  let stream: Http2Stream | undefined;
  const begin = (connection: Http2Connection) => {
    if (isCancelled) return;
    stream = connection.request(callHeaders(origin, method.path));
    const { signal } = stream;
    signal.addEventListener("abort", () => resolve(brokenOff(signal.reason)), { once: true });
    if (signal.aborted) return resolve(brokenOff(signal.reason));
    let last: readonly Header[] = [];
    stream.listen({
      onHeaders(headers) {
        last = headers;
      },
      onBytes: createFrameReader((message) => onMessage(method.responseDeserialize(message))),
      onEnd() {
        resolve(readEnd(last));
        stream?.close(new Error("the call has ended"));
      },
    });
    stream.write(frameMessage(method.requestSerialize(request)));
    stream.endWriting();
  };
  connecting.then(begin, (error) => resolve(brokenOff(error)));
  return {
    ended,
    cancel() {
      isCancelled = true;
      resolve(cancelled);
      stream?.reset("CANCEL", new Error(cancelled.message));
    },
  };
}

/** The headers that every call begins with. */
export function callHeaders(origin: string, path: string): Header[] {
  const { protocol, host } = new URL(origin);
  return [
    [":method", "POST"],
    [":scheme", protocol.slice(0, -1)],
    [":authority", host],
    [":path", path],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
  ];
}

/** Reads how a call has ended from its last headers; what is no answer of gRPC counts as none. */
export function readEnd(headers: readonly Header[]): CallEnd {
  const find = (name: string) => headers.find((header) => header[0] === name)?.[1];
  const http = find(":status") ?? "200";
  const code = find("grpc-status");
  if (http !== "200") return brokenOff(new Error(`the answer has HTTP status code ${http}`));
  if (code === undefined) return brokenOff(new Error("the answer has ended without a status"));
  const details = find("grpc-status-details-bin");
  return {
    code: Number(code) as StatusCode,
    message: readMessage(find("grpc-message") ?? ""),
    details: details === undefined ? undefined : Buffer.from(details, "base64"),
  };
}

const cancelled: CallEnd = { code: status.CANCELLED, message: "the call was cancelled", details: undefined };

function brokenOff(reason: unknown): CallEnd {
  return { code: status.UNAVAILABLE, message: messageOf(reason), details: undefined };
}

/** It is percent-encoded, unless somebody does it wrong. */
function readMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
