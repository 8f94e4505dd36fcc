import { randomBytes } from "node:crypto";
import type { Endpoint } from "./address.ts";
import { type Call, type CallOptions, makeCall } from "./calls.ts";
import type { Header } from "./hpack.ts";
import { Http2Connection } from "./http2-connection.ts";
import type { Outlet } from "./http2-sender.ts";
import { answerCall, type CallHandlers } from "./session-calls.ts";
import { openTunnel } from "./tunnel.ts";

/** A running session: the daemon may call what was offered until it is closed. */
export interface Session {
  readonly id: string;
  /** Aborts with an Error when the session has ended, for whatever reason. */
  readonly lost: AbortSignal;
  /** Calls a method of the daemon's on the session's connection: it goes with the session. */
  call<Request, Response>(options: CallOptions<Request, Response>): Call;
  /** The first error that a handler threw, if any: the cause of what BuildKit then reports in its own words. */
  readonly fault: () => unknown;
  /** Ends it; resolves when the calls have ended, too, and have removed what is half. */
  close(): Promise<void>;
}

/** What the daemon may send of one call, and of all, before we have read it. */
const callWindowBytes = 4 * 1024 * 1024;
const windowBytes = 16 * 1024 * 1024;
/** Calls end when the session does. One that does not, as where a disk answers no more, is waited for so long. */
const maxEndingMs = 5000;

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
  { sharedKey, maxSilenceMs = 60_000 }: { sharedKey: string; maxSilenceMs?: number | undefined },
): Session {
  const id = createId();
  const lost = new AbortController();
  const running = new Set<Promise<void>>();
  let fault: unknown;
  let server: Http2Connection | undefined;
  const end = (error: Error) => {
    clearTimeout(silence);
    lost.abort(error);
    server?.close(error);
    void tunnel.close();
  };
  const silence = setTimeout(() => end(new Error(`nothing was heard for ${maxSilenceMs / 1000} s`)), maxSilenceMs);
  const onFault = (error: unknown) => {
    fault ??= error;
  };
  const serve = (outlet: Outlet) => {
    server = new Http2Connection("server", {
      outlet,
      windowBytes,
      streamWindowBytes: callWindowBytes,
      onHeaders(stream, { headers }) {
        silence.refresh();
        const ended = answerCall(stream, headers, { handlers, onFault }).then(() => void running.delete(ended));
        running.add(ended);
      },
      onEnd: end,
    });
    return server;
  };
  const tunnel = openTunnel(endpoint, sessionHeaders(id, sharedKey, handlers), { serve, onEnd: end });
  return {
    id,
    lost: lost.signal,
    call: (options) => makeCall(tunnel.connection, endpoint.origin, options),
    fault: () => fault,
    async close() {
      end(new Error("the session was closed"));
      await tunnel.close();
      await atMost(maxEndingMs, Promise.all(running));
    },
  };
}

async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const limit = setTimeout(resolve, ms);
  await Promise.race([work, late]);
  clearTimeout(limit);
}

function sessionHeaders(id: string, sharedKey: string, handlers: CallHandlers): Header[] {
  return [
    ["x-docker-expose-session-uuid", id],
    ["x-docker-expose-session-sharedkey", encodeURIComponent(sharedKey)],
    ...Array.from(handlers.keys(), (path) => ["x-docker-expose-session-grpc-method", path] as const),
  ];
}

/** An id as BuildKit's own clients make them: 25 characters of base 36, from 128 random bits. */
export function createId(): string {
  return BigInt(`0x${randomBytes(16).toString("hex")}`)
    .toString(36)
    .padStart(25, "0");
}
