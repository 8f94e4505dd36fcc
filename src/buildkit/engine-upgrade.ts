import type { Socket } from "node:net";

/** An answer's head is a few hundred bytes. */
const maxHeadBytes = 64 * 1024;

/**
 * Asks a Docker engine to make an HTTP/1.1 connection the one of its embedded BuildKit.
 *
 * Protocol (Docker Engine API 1.38 and newer): `POST /grpc` with `Connection: Upgrade` and `Upgrade: h2c`; the answer is
 * `101 Switching Protocols`, and what follows its blank line, which may come in the same packet, is HTTP/2 with prior
 * knowledge: we are the client. Engines before 18.09, and other programs, answer something else.
 * @returns the socket, with everything after the answer's head still to be read
 */
export async function upgradeToGrpc(socket: Socket, { signal }: { signal: AbortSignal }): Promise<Socket> {
  socket.write("POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
  const { head, rest } = await readHead(socket, signal);
  const [firstLine = ""] = head.split("\r\n");
  if (!/^HTTP\/1\.1 101(?: |$)/.test(firstLine)) {
    socket.destroy();
    throw new Error(`a Docker engine with BuildKit was expected, and this answered "${firstLine.slice(0, 100)}"`);
  }
  if (rest.length > 0) socket.unshift(rest);
  return socket;
}

function readHead(socket: Socket, signal: AbortSignal): Promise<{ head: string; rest: Buffer }> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const settle = (end: () => void) => {
      socket.off("data", onData).off("error", onError).off("close", onClose).pause();
      signal.removeEventListener("abort", onAbort);
      end();
    };
    const onData = (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      const end = received.indexOf("\r\n\r\n");
      if (end >= 0) {
        const head = received.toString("latin1", 0, end);
        settle(() => resolve({ head, rest: received.subarray(end + 4) }));
      } else if (received.length > maxHeadBytes) {
        socket.destroy(new Error("the answer's head has no end"));
      }
    };
    const onError = (error: Error) => settle(() => reject(error));
    const onClose = () => settle(() => reject(new Error("the Docker engine closed the connection")));
    const onAbort = () => void socket.destroy(signal.reason);
    socket.on("data", onData).on("error", onError).on("close", onClose);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
