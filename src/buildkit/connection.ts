import type { Socket } from "node:net";
import type { Endpoint } from "./address.ts";
import { type CallEnd, type CallOptions, makeCall } from "./calls.ts";
import { Http2Connection } from "./http2-connection.ts";
import { SocketOutlet } from "./socket-outlet.ts";

/** How much the daemon may send before we have read it. */
const windowBytes = 8 * 1024 * 1024;

/**
 * Speaks HTTP/2 as the client on a socket that is ready for it. What the socket brings is the caller's to hand on.
 * @param options.onEnd hears once why the connection is over; the socket is closed then
 * @param options.onRoom hears that more may be sent
 */
export function speakHttp2(
  socket: Socket,
  { onEnd, onRoom }: { onEnd: (reason: Error) => void; onRoom?: () => void },
): Http2Connection {
  const outlet = new SocketOutlet(socket, () => connection.pump());
  const connection = new Http2Connection("client", {
    outlet,
    windowBytes,
    streamWindowBytes: windowBytes,
    onEnd(reason) {
      outlet.end();
      onEnd(reason);
    },
    ...(onRoom && { onRoom }),
  });
  socket.on("error", (error) => connection.close(error));
  socket.once("close", () => connection.close(new Error("the connection has ended")));
  return connection;
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
  let connection: Http2Connection | undefined;
  const socket = await endpoint.dial({
    signal,
    onBytes: (chunk, start, end) => connection?.receive(chunk, start, end),
  });
  connection = speakHttp2(socket, { onEnd: () => undefined });
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
