import http2, {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { Duplex } from "node:stream";
import { onTestFinished } from "vitest";
import { parseAddress } from "../../src/buildkit/address.ts";
import { createBytesReader } from "../../src/buildkit/bytes-messages.ts";
import { BytesMessage } from "../../src/buildkit/generated/file-send.ts";
import { createFrameReader, frameMessage } from "../../src/buildkit/grpc-frames.ts";
import { openSession } from "../../src/buildkit/session.ts";
import type { CallHandlers } from "../../src/buildkit/session-calls.ts";

/** A call that a test makes on a session in the daemon's place. */
export interface PeerCall {
  readonly stream: ClientHttp2Stream;
  say(...messages: readonly Uint8Array[]): void;
  /** Resolves with the gRPC status and its message when the call has ended. */
  readonly ended: Promise<{ readonly code: string; readonly message: string }>;
}

export interface SessionPeer {
  /** @param onMessage hears each message of ours; the bytes are its own until it returns */
  call(path: string, onMessage: (message: Buffer) => void, headers?: OutgoingHttpHeaders): PeerCall;
}

const windowBytes = 2 ** 30;

/**
 * Opens a session with node's own HTTP/2 on the other end of it, until the test ends. Its windows are so wide that it
 * never holds us back: what holds us back is ourselves, and the socket.
 */
export async function openSessionPeer(handlers: CallHandlers): Promise<SessionPeer> {
  const { promise: opened, resolve } = Promise.withResolvers<ClientHttp2Session>();
  const server = http2.createServer({ settings: { initialWindowSize: windowBytes } });
  server.on("session", (session) => {
    session.setLocalWindowSize(windowBytes);
    onTestFinished(() => void session.destroy());
  });
  server.on("stream", (stream) => {
    stream.on("error", () => undefined).respond({ ":status": 200, "content-type": "application/grpc" });
    const inner = new Duplex({
      read: () => undefined,
      write: (data: Buffer, _encoding, done) => pass(stream, data, done),
      writev: (parts, done) => pass(stream, Buffer.concat(parts.map(({ chunk }) => chunk as Buffer)), done),
    });
    const read = createBytesReader((chunk, start, end) => inner.push(Buffer.from(chunk.subarray(start, end))));
    stream.on("data", (chunk: Buffer) => read(chunk, 0, chunk.length));
    const client = http2.connect("http://localhost", {
      createConnection: () => inner,
      settings: { initialWindowSize: windowBytes },
    });
    client.on("error", () => undefined);
    client.once("connect", () => {
      client.setLocalWindowSize(windowBytes);
      resolve(client);
    });
    onTestFinished(() => void client.destroy());
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onTestFinished(() => void server.close());
  const endpoint = parseAddress(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const session = openSession(endpoint, handlers, { sharedKey: "" });
  onTestFinished(() => session.close());
  const client = await opened;
  return { call: (path, onMessage, headers = {}) => startCall(client, { path, onMessage, headers }) };
}

function pass(stream: ServerHttp2Stream, data: Buffer, done: () => void): void {
  stream.write(frameMessage(BytesMessage.encode({ data }).finish()), () => done());
}

function startCall(
  client: ClientHttp2Session,
  { path, onMessage, headers }: { path: string; onMessage: (message: Buffer) => void; headers: OutgoingHttpHeaders },
): PeerCall {
  const stream = client.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", ...headers });
  const { promise: ended, resolve, reject } = Promise.withResolvers<{ code: string; message: string }>();
  const read = createFrameReader(onMessage);
  stream.on("data", (chunk: Buffer) => read(chunk, 0, chunk.length));
  stream.on("error", reject);
  stream.on("trailers", (trailers) =>
    resolve({
      code: String(trailers["grpc-status"]),
      message: decodeURIComponent(String(trailers["grpc-message"] ?? "")),
    }),
  );
  return { stream, say: (...messages) => void stream.write(Buffer.concat(messages.map(frameMessage))), ended };
}
