import { connect, type Socket } from "node:net";

/**
 * Whether an HTTP/2 server answers at an address, which is what buildkitd is: a socket file alone proves nothing, it
 * stays when its owner is killed.
 *
 * Protocol (RFC 9113, 3.4): the client sends the preface and a SETTINGS frame, here an empty one; a server sends its
 * own SETTINGS frame first of all. A frame begins with 3 bytes of length, 1 of type (SETTINGS = 4), 1 of flags and 4
 * of stream (0 for the connection).
 * @param address `unix:///PATH` or `tcp://HOST:PORT`
 * @returns false when nobody listens there, or somebody who speaks something else
 */
export function answersHttp2(address: string, { signal }: { signal: AbortSignal }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = open(address);
    const settle = (answer: boolean) => {
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      resolve(answer);
    };
    const onAbort = () => settle(false);
    let received = Buffer.alloc(0);
    socket.once("connect", () => socket.write(Buffer.concat([preface, emptySettings])));
    socket.once("error", () => settle(false));
    socket.once("close", () => settle(false));
    socket.on("data", (bytes) => {
      received = Buffer.concat([received, bytes]);
      if (received.length >= frameHeaderBytes) settle(received[3] === settingsType && received.readUInt32BE(5) === 0);
    });
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) settle(false);
  });
}

const frameHeaderBytes = 9;
const settingsType = 4;
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const emptySettings = Buffer.from([0, 0, 0, settingsType, 0, 0, 0, 0, 0]);

function open(address: string): Socket {
  const url = new URL(address);
  if (url.protocol === "unix:") return connect({ path: decodeURIComponent(url.pathname) });
  return connect({ host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port || 1234) });
}
