import { connect, type OnReadOpts, type Socket } from "node:net";
import { BuilderError } from "../errors.ts";
import type { ControlClient } from "./control-client.ts";
import { upgradeToGrpc } from "./engine-upgrade.ts";
import type { OnBytes } from "./http2-frames.ts";
import type { Prepare } from "./prepared-credentials.ts";
import { createSlabs } from "./slabs.ts";
import { createTls, type Secure, type TlsFiles } from "./tls-files.ts";

/** A daemon's address made ready to be used: everything that knows how an address becomes a connection is here. */
export interface Endpoint {
  /** As it was given, for messages. */
  readonly address: string;
  /** Scheme and authority of HTTP/2's requests, such as "http://localhost". */
  readonly origin: string;
  /** Creates a control client with a connection of its own, made on first use. The caller closes it. */
  openControl(): Promise<ControlClient>;
  /**
   * Makes a connection that is ready for HTTP/2. The caller destroys it.
   * @param options.onBytes gets what comes, from when the promise has resolved; without it the socket is to be read
   */
  dial(options: { signal: AbortSignal; onBytes?: OnBytes }): Promise<Socket>;
  /** Only of a Docker engine: makes a connection for its own API, HTTP/1.1. */
  readonly dialEngine?: (options: { signal: AbortSignal }) => Promise<Socket>;
}

/** Until a connection stands: TCP, TLS and a Docker engine's upgrade. */
const dialLimitMs = 10_000;
/** What is read from a connection at once. */
const readBytes = 256 * 1024;
const readSlabs = createSlabs(readBytes, { kept: 8 });
const engineSocket = "/var/run/docker.sock";

/**
 * Reads a daemon's address.
 * @param address "tcp://HOST:PORT" or "unix:///PATH" of a buildkitd; "docker://" (its usual socket), "docker:///PATH" or
 *   "docker://HOST:PORT" of a Docker engine with BuildKit inside
 * @param options.tls makes connections to HOST:PORT speak TLS; those to a socket never do
 * @throws BuilderError `setting_invalid`
 */
export function parseAddress(address: string, { tls }: { tls?: TlsFiles | undefined } = {}): Endpoint {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const place = url === undefined ? undefined : placeOf(url, tls);
  if (url?.protocol === "docker:" && place !== undefined) return engineEndpoint(address, place);
  if (place !== undefined) return daemonEndpoint(address, place);
  throw new BuilderError("setting_invalid", `"${address}" is no address of BuildKit`, {
    fix: "Give tcp://HOST:PORT, unix:///PATH or docker:///PATH.",
  });
}

interface Place {
  /** As grpc-js takes it. */
  readonly target: string;
  readonly authority: string;
  readonly secure: Secure | undefined;
  open(onread: OnReadOpts | undefined): Socket;
}

function placeOf(url: URL, tls: TlsFiles | undefined): Place | undefined {
  const isEngine = url.protocol === "docker:";
  if ((isEngine || url.protocol === "tcp:") && url.hostname !== "" && url.port !== "") {
    const host = url.hostname.replace(/^\[|\]$/gu, "");
    const secure = tls && createTls(tls, host);
    const open: Place["open"] = (onread) => connect({ port: Number(url.port), host, ...(onread && { onread }) });
    return { target: `dns:${url.host}`, authority: url.host, secure, open };
  }
  const path = decodeURIComponent(isEngine ? url.pathname || engineSocket : `${url.host}${url.pathname}`);
  if (!(isEngine || url.protocol === "unix:") || path === "" || (isEngine && url.host !== "")) return undefined;
  return {
    target: `unix:${path}`,
    authority: "localhost",
    secure: undefined,
    open: (onread) => connect({ path, ...(onread && { onread }) }),
  };
}

function daemonEndpoint(address: string, place: Place): Endpoint {
  const { secure } = place;
  if (secure === undefined) return createEndpoint(address, place, {});
  return createEndpoint(address, place, { prepare: (socket, signal) => secure(socket, { protocols: ["h2"], signal }) });
}

/** A Docker engine speaks HTTP/1.1 first, over TLS without a word of HTTP/2. */
function engineEndpoint(address: string, place: Place): Endpoint {
  const secure = async (socket: Socket, signal: AbortSignal) =>
    place.secure === undefined ? socket : place.secure(socket, { protocols: ["http/1.1"], signal });
  const prepare = async (socket: Socket, signal: AbortSignal) =>
    upgradeToGrpc(await secure(socket, signal), { signal });
  return {
    ...createEndpoint(address, place, { prepare }),
    dialEngine: ({ signal }) => dial(place, { prepare: secure, signal }),
  };
}

type PrepareUntil = (socket: Socket, signal: AbortSignal) => Promise<Socket>;

function createEndpoint(address: string, place: Place, { prepare }: { prepare?: PrepareUntil }): Endpoint {
  const isSecure = place.secure !== undefined;
  return {
    address,
    origin: `${isSecure ? "https" : "http"}://${place.authority}`,
    async openControl() {
      const { createControlClient } = await import("./control-client.ts");
      const { target, authority } = place;
      return createControlClient(target, { authority, isSecure, prepare: prepare && limited(prepare) });
    },
    dial: (given) => dial(place, { prepare, ...given }),
  };
}

function limited(prepare: PrepareUntil): Prepare {
  return (socket) => prepare(socket, AbortSignal.timeout(dialLimitMs));
}

interface Dialling {
  readonly prepare: PrepareUntil | undefined;
  readonly signal: AbortSignal;
  readonly onBytes?: OnBytes;
}

async function dial(place: Place, { prepare, signal, onBytes }: Dialling): Promise<Socket> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(dialLimitMs)]);
  const onread = prepare === undefined && onBytes !== undefined ? readInto(readSlabs.take(), onBytes) : undefined;
  const socket = place.open(onread).setNoDelay(true);
  if (onread) socket.once("close", () => readSlabs.give(onread.buffer));
  // Between the steps nobody listens, and an error that nobody hears ends the process.
  socket.on("error", () => undefined);
  try {
    await untilConnected(socket, limit);
    const ready = prepare === undefined ? socket : await prepare(socket, limit);
    // An upgrade leaves it paused.
    if (onBytes && !onread) ready.on("data", (chunk) => onBytes(chunk, 0, chunk.length)).resume();
    return ready;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** All is read into the same memory: a new buffer for each read would cost more than all the rest of reading. */
function readInto(buffer: Buffer, onBytes: OnBytes): OnReadOpts & { buffer: Buffer } {
  const callback = (length: number) => {
    onBytes(buffer, 0, length);
    return true;
  };
  return { buffer, callback };
}

function untilConnected(socket: Socket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => void socket.destroy(signal.reason);
    const settle = (end: () => void) => {
      signal.removeEventListener("abort", onAbort);
      end();
    };
    socket.once("connect", () => settle(resolve));
    socket.once("error", (error) => settle(() => reject(error)));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
