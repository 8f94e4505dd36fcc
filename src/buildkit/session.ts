import { randomBytes } from "node:crypto";
import http2, { type ServerHttp2Session } from "node:http2";
import type { Duplex } from "node:stream";
import type { Endpoint } from "./address.ts";
import { answerCall, type CallHandlers } from "./session-calls.ts";
import { openTunnel } from "./tunnel.ts";

/** A running session: the daemon may call what was offered until it is closed. */
export interface Session {
  readonly id: string;
  /** Aborts with an Error when the session has ended, for whatever reason. */
  readonly lost: AbortSignal;
  /** The first error that a handler threw, if any: the cause of what BuildKit then reports in its own words. */
  readonly fault: () => unknown;
  close(): Promise<void>;
}

/** Calls at a time; a Dockerfile build has about three. */
const maxCalls = 100;
const windowBytes = 4 * 1024 * 1024;

/**
 * Opens a session: an HTTP/2 server whose only client is the daemon.
 * @param handlers by path of the method; the daemon is told which there are
 * @param options.sharedKey stable name of the contexts' owner: with it the daemon asks only for files that changed
 * @param options.maxSilenceMs the daemon asks every few seconds whether we live; when nothing has come for so long, it
 *   hangs or the way to it is cut, and the session is lost
 */
export function openSession(
  endpoint: Endpoint,
  handlers: CallHandlers,
  { sharedKey, maxSilenceMs = 60_000 }: { sharedKey: string; maxSilenceMs?: number },
): Session {
  const id = createId();
  const lost = new AbortController();
  const tunnel = openTunnel(endpoint, {
    "x-docker-expose-session-uuid": id,
    "x-docker-expose-session-sharedkey": encodeURIComponent(sharedKey),
    "x-docker-expose-session-grpc-method": [...handlers.keys()],
  });
  const server = serve(tunnel);
  let fault: unknown;
  const end = (error: Error | null | undefined) => {
    clearTimeout(silence);
    lost.abort(error ?? new Error("the session has ended"));
    server.destroy();
    tunnel.destroy();
  };
  const silence = setTimeout(() => end(new Error(`nothing was heard for ${maxSilenceMs / 1000} s`)), maxSilenceMs);
  server.on("stream", (stream, ...[, , rawHeaders]) => {
    silence.refresh();
    const onFault = (error: unknown) => {
      fault ??= error;
    };
    answerCall(stream, rawHeaders as unknown as string[], { handlers, onFault });
  });
  server.on("error", end);
  server.once("close", () => end(undefined));
  tunnel.on("error", end);
  tunnel.once("close", () => end(tunnel.errored));
  return { id, lost: lost.signal, fault: () => fault, close: () => closeTunnel(tunnel, end) };
}

async function closeTunnel(tunnel: Duplex, end: (error: Error) => void): Promise<void> {
  end(new Error("the session was closed"));
  if (!tunnel.closed) await new Promise<void>((resolve) => tunnel.once("close", () => resolve()));
}

/** An id as BuildKit's own clients make them: 25 characters of base 36, from 128 random bits. */
export function createId(): string {
  return BigInt(`0x${randomBytes(16).toString("hex")}`)
    .toString(36)
    .padStart(25, "0");
}

function serve(tunnel: Duplex): ServerHttp2Session {
  const server = http2.performServerHandshake(tunnel, {
    // Each pattern of a .dockerignore is a header of its own: the default of 128 would refuse long ones.
    maxHeaderListPairs: 1_000_000,
    maxSessionMemory: 1000,
    settings: {
      maxHeaderListSize: 16 * 1024 * 1024,
      maxConcurrentStreams: maxCalls,
      initialWindowSize: windowBytes,
    },
  });
  server.setLocalWindowSize(windowBytes);
  return server;
}
