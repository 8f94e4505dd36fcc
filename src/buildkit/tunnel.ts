/*
 * The tunnel of a session: one call of moby.buildkit.v1.Control/Session on a connection of its own. Its messages,
 * both ways, are BytesMessage{bytes data=1}; their borders mean nothing, together they are one stream of bytes, on
 * which the DAEMON speaks HTTP/2 as the client. The call stays open as long as the session.
 *
 * It is written on node:http2 and not on grpc-js because whole contexts pass through it: no copy more than needed.
 */
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { Endpoint } from "./address.ts";
import { createFrameReader, frameHeadBytes } from "./grpc-frames.ts";

const sessionPath = "/moby.buildkit.v1.Control/Session";
/** How much the daemon may send before we have read it. */
const windowBytes = 8 * 1024 * 1024;
/** One message. The daemon takes up to 4 MiB (old ones) or 16 MiB, and uses its buffers again up to 1 MiB. */
const maxMessageBytes = 512 * 1024;
/** Of gRPC's frame and of the BytesMessage. */
const messageHeadBytes = frameHeadBytes + 1 + 5;
/** What is given to the tunnel at once and may wait in it. */
const maxWaitingBytes = 1024 * 1024;

/**
 * Opens a tunnel. It is destroyed with an error when the connection cannot be made, breaks, or when the daemon ends
 * the call; destroying it closes the connection.
 * @param headers of the call; a list stands for a repeated header
 */
export function openTunnel(endpoint: Endpoint, headers: Record<string, string | string[]>): Duplex {
  const closed = new AbortController();
  let connection: ClientHttp2Session | undefined;
  let call: ClientHttp2Stream | undefined;
  const opened = endpoint.dial({ signal: closed.signal }).then((socket) => {
    if (closed.signal.aborted) return void socket.destroy();
    connection = openConnection(tunnel, socket, endpoint.origin);
    call = openCall(tunnel, connection, headers);
  });
  const pool: Pool = [];
  /** What is written before there is a connection waits for it. */
  const sendAll = (chunks: readonly Buffer[], done: Done) => {
    if (call !== undefined) send(call, chunks, { pool, done });
    else void opened.then(() => (call === undefined ? done(sessionEnded()) : send(call, chunks, { pool, done })), done);
  };
  const tunnel = new Duplex({
    writableHighWaterMark: maxWaitingBytes,
    readableHighWaterMark: maxWaitingBytes,
    read: () => void call?.resume(),
    write: (chunk: Buffer, _encoding, done) => sendAll([chunk], done),
    writev: (chunks, done) =>
      sendAll(
        chunks.map(({ chunk }) => chunk as Buffer),
        done,
      ),
    final: (done) => (call === undefined ? done() : void call.end(done)),
    destroy: (error, done) => {
      closed.abort(error ?? sessionEnded());
      call?.close(http2.constants.NGHTTP2_CANCEL);
      connection?.destroy();
      done(error);
    },
  });
  opened.catch((error: Error) => tunnel.destroy(error));
  return tunnel;
}

/** Messages that may be used again: a new one each time would cost a page fault for every 4 KiB that is sent. */
type Pool = Buffer[];
type Done = (error?: Error | null) => void;

function openConnection(tunnel: Duplex, socket: Socket, origin: string): ClientHttp2Session {
  const connection = http2.connect(origin, {
    createConnection: () => socket,
    settings: { initialWindowSize: windowBytes, enablePush: false },
  });
  connection.once("connect", () => connection.setLocalWindowSize(windowBytes));
  connection.on("error", (error) => tunnel.destroy(error));
  connection.once("close", () => tunnel.destroy(new Error("the connection has ended")));
  return connection;
}

/** Starts the call and lets the tunnel have what comes. */
function openCall(
  tunnel: Duplex,
  connection: ClientHttp2Session,
  headers: Record<string, string | string[]>,
): ClientHttp2Stream {
  const call = connection.request(
    { ":method": "POST", ":path": sessionPath, "content-type": "application/grpc", te: "trailers", ...headers },
    { endStream: false },
  );
  call.on("error", (error) => tunnel.destroy(error));
  call.on("response", (answer) => refuse(tunnel, answer["grpc-status"], answer["grpc-message"]));
  call.on("trailers", (answer) => refuse(tunnel, answer["grpc-status"], answer["grpc-message"]));
  call.once("close", () => tunnel.destroy(new Error("BuildKit has ended the session")));
  const read = createFrameReader((message) => {
    if (!tunnel.push(dataOf(message))) call.pause();
  });
  call.on("data", (chunk: Buffer) => {
    try {
      read(chunk);
    } catch (error) {
      tunnel.destroy(error as Error);
    }
  });
  return call;
}

function sessionEnded(): Error {
  return new Error("the session has ended");
}

/** Sends chunks as messages; the pieces are copied once, into messages that are full as long as there is more. */
function send(call: ClientHttp2Stream, chunks: readonly Buffer[], { pool, done }: { pool: Pool; done: Done }): void {
  let roomy = true;
  let message = pool.pop() ?? createMessage();
  let end = messageHeadBytes;
  const sendMessage = () => {
    if (call.destroyed || call.writableEnded) return;
    const sent = message;
    roomy = call.write(writeMessageHead(sent, end), () => pool.push(sent));
    message = pool.pop() ?? createMessage();
    end = messageHeadBytes;
  };
  for (const chunk of chunks) {
    for (let start = 0; start < chunk.length; ) {
      const copied = chunk.copy(message, end, start);
      start += copied;
      end += copied;
      if (end === message.length) sendMessage();
    }
  }
  if (end > messageHeadBytes) sendMessage();
  pool.push(message);
  if (call.destroyed) done(sessionEnded());
  else if (roomy) done();
  else whenRoomy(call, done);
}

function whenRoomy(call: ClientHttp2Stream, done: Done): void {
  const go = () => {
    call.off("drain", go).off("close", go);
    done();
  };
  call.on("drain", go).on("close", go);
}

function createMessage(): Buffer {
  return Buffer.allocUnsafeSlow(maxMessageBytes);
}

/** Writes the heads of gRPC's frame and of the BytesMessage before the data that ends at `end`. */
function writeMessageHead(message: Buffer, end: number): Buffer {
  const bytes = end - messageHeadBytes;
  message[0] = 0;
  message.writeUInt32BE(end - frameHeadBytes, 1);
  message[frameHeadBytes] = 0x0a;
  // The length as a varint, padded to a fixed width.
  for (let index = 0; index < 5; index++) {
    message[frameHeadBytes + 1 + index] = ((bytes / 128 ** index) & 0x7f) | (index < 4 ? 0x80 : 0);
  }
  return message.subarray(0, end);
}

/** The data of a BytesMessage, uncopied. */
function dataOf(message: Buffer): Buffer {
  if (message.length === 0) return message;
  if (message[0] !== 0x0a) throw new Error("BuildKit sends something on the session that is no BytesMessage");
  let at = 1;
  while ((message[at] as number) >= 0x80) at++;
  return message.subarray(at + 1);
}

function refuse(tunnel: Duplex, code: unknown, message: unknown): void {
  if (code === undefined) return;
  const text = typeof message === "string" ? decodeURIComponent(message) : "";
  tunnel.destroy(new Error(`BuildKit has ended the session with gRPC status ${String(code)}: ${text}`));
}
