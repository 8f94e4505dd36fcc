import type { Socket } from "node:net";
import type { Endpoint } from "./address.ts";
import { type CallEnd, type CallOptions, makeCall } from "./calls.ts";
import { Http2Connection } from "./http2-connection.ts";
import { SocketOutlet } from "./socket-outlet.ts";

/** How much the daemon may send before we have read it. */
const windowBytes = 8 * 1024 * 1024;

/** A connection of HTTP/2, and what it goes over: closed with it. */
export interface Connected {
  readonly connection: Http2Connection;
  readonly socket: Socket;
}

/**
 * Dials a daemon and speaks HTTP/2 with it, as the client.
 * @param options.signal ends it where it is not connected yet
 * @param options.onEnd hears once why the connection is over; the socket is closed then
 * @param options.onRoom hears that more may be sent
 * @throws Error where no connection comes about
 */
export async function openConnection(
  endpoint: Endpoint,
  { signal, onEnd, onRoom }: { signal: AbortSignal; onEnd?: (reason: Error) => void; onRoom?: () => void },
): Promise<Connected> {
  let connection: Http2Connection | undefined;
  const socket = await endpoint.dial({
    signal,
    onBytes: (chunk, start, end) => connection?.receive(chunk, start, end),
  });
  const outlet = new SocketOutlet(socket, () => connection?.pump());
  const opened = new Http2Connection("client", {
    outlet,
    windowBytes,
    streamWindowBytes: windowBytes,
    onEnd(reason) {
      outlet.end();
      onEnd?.(reason);
    },
    ...(onRoom && { onRoom }),
  });
  connection = opened;
  socket.on("error", (error) => opened.close(error));
  socket.once("close", () => opened.close(new Error("the connection has ended")));
  return { connection: opened, socket };
}

/**
 * Makes one call of a daemon, on a connection for it alone.
 * @param options.signal gives it up: it has ended as cancelled then
 * @throws Error where no connection comes about
 */
export async function callOnce<Request, Response>(
  endpoint: Endpoint,
  call: CallOptions<Request, Response>,
  { signal }: { signal: AbortSignal },
): Promise<CallEnd> {
  const { connection } = await openConnection(endpoint, { signal });
  const { ended, cancel } = makeCall(Promise.resolve(connection), endpoint.origin, call);
  signal.addEventListener("abort", cancel, { once: true });
  if (signal.aborted) cancel();
  try {
    return await ended;
  } finally {
    signal.removeEventListener("abort", cancel);
    connection.close(new Error("all was asked"));
  }
}
