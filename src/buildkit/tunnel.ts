/*
 * The tunnel of a session: one call of moby.buildkit.v1.Control/Session, the first on a connection of its own. Its
 * messages, both ways, are BytesMessage{bytes data=1}; their borders mean nothing, together they are one stream of bytes, on
 * which the DAEMON speaks HTTP/2 as the client. The call stays open as long as the session.
 *
 * What goes out is laid out at once: a frame of the connection inside is put straight into messages and frames of this
 * one, in the memory that the socket gets.
 */
import type { Endpoint } from "./address.ts";
import { createBytesReader } from "./bytes-messages.ts";
import { callHeaders, readEnd } from "./calls.ts";
import { openConnection } from "./connection.ts";
import type { Header } from "./hpack.ts";
import type { Http2Connection } from "./http2-connection.ts";
import type { Outlet } from "./http2-sender.ts";
import { MessageOutlet } from "./message-outlet.ts";

const sessionPath = "/moby.buildkit.v1.Control/Session";

/** What is at our end of a tunnel: it is given what comes, and told when there is room for what goes. */
export type Inner = Pick<Http2Connection, "receive" | "pump">;

export interface Tunnel {
  /** The connection that it lies in, for other calls; rejects where none came about. */
  readonly connection: Promise<Http2Connection>;
  /** Ends the call and the connection; resolves when it is closed. */
  close(): Promise<void>;
}

/**
 * Opens a tunnel.
 * @param headers of the call; a name may come repeatedly
 * @param options.serve makes what is at our end, when there is a connection
 * @param options.onEnd hears once why the tunnel is over: it could not be opened, broke, or the daemon has ended it
 */
export function openTunnel(
  endpoint: Endpoint,
  headers: readonly Header[],
  { serve, onEnd }: { serve: (outlet: Outlet) => Inner; onEnd: (reason: Error) => void },
): Tunnel {
  const closed = new AbortController();
  const { signal } = closed;
  let inside: { messages: MessageOutlet; inner: Inner } | undefined;
  const onRoom = () => {
    inside?.messages.catchUp();
    inside?.inner.pump();
  };
  const opening = openConnection(endpoint, { signal, onEnd, onRoom }).then((opened) => {
    const { connection, socket } = opened;
    const request = [...callHeaders(endpoint.origin, sessionPath), ...headers];
    const close = () => void socket.destroy();
    signal.addEventListener("abort", close, { once: true });
    if (signal.aborted) close();
    inside = openCall(connection, request, serve);
    return opened;
  });
  opening.catch(onEnd);
  const connection = opening.then((opened) => opened.connection);
  connection.catch(() => undefined);
  return {
    connection,
    async close() {
      closed.abort(new Error("the session was closed"));
      const { socket } = await opening.catch(() => ({ socket: undefined }));
      if (socket !== undefined && !socket.closed) await new Promise<void>((resolve) => socket.once("close", resolve));
    },
  };
}

/** Makes the call that the session lies in; the connection ends with it. */
function openCall(connection: Http2Connection, headers: readonly Header[], serve: (outlet: Outlet) => Inner) {
  const call = connection.request(headers);
  const messages = new MessageOutlet(call);
  const inner = serve(messages);
  call.listen({
    onHeaders: refuse,
    onBytes: createBytesReader((chunk, start, end) => inner.receive(chunk, start, end)),
    onEnd: () => connection.close(new Error("BuildKit has ended the session")),
  });
  call.signal.addEventListener("abort", () => connection.close(call.signal.reason as Error), { once: true });
  return { messages, inner };
}

/** Throws where the daemon answers with anything but a running call. */
function refuse(headers: readonly Header[]): void {
  const [first] = headers;
  if (first?.[0] === ":status" && first[1] === "200" && headers.every(([name]) => name !== "grpc-status")) return;
  const { code, message } = readEnd(headers);
  throw new Error(`BuildKit has ended the session with gRPC status ${code}: ${message}`);
}
