import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { BuilderError, messageOf } from "../errors.ts";
import { createAddressLimit } from "./address-limit.ts";
import { lingerOnBody } from "./body-rest.ts";

export interface Listening {
  /** `http://HOST:PORT` as this machine reaches it. */
  readonly url: string;
  /** Takes no further connection; answers when the last one has ended, or is cut after `limitMs`. */
  close(options: { limitMs: number }): Promise<void>;
}

/** A tar of gigabytes over a slow line is honest; headers that take long are not. */
const times = {
  requestTimeout: 60 * 60 * 1000,
  headersTimeout: 20_000,
  keepAliveTimeout: 5000,
  /** How often the first two are looked at. */
  connectionsCheckingInterval: 5000,
};
const maxHeaderSize = 32 * 1024;
/**
 * Connections that the system takes while we are busy; it may allow fewer. One beyond them comes again after 1, 3, 7 and
 * 15 s, and GitHub waits for ten: Node's own 511 are half a second of a burst of a thousand deliveries a second.
 */
const backlog = 4096;

/**
 * Each one takes memory before it has said anything; further ones are cut at once. Half of them hold what a burst of a
 * thousand deliveries a second leaves waiting behind a proxy, which has one address.
 */
const manyConnections = 16_384;

export interface ListenOptions {
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Half of them for one address. */
  readonly maxConnections?: number;
  readonly headersTimeoutMs?: number;
}

/**
 * Serves HTTP.
 * @throws BuilderError `setting_invalid` when the port is taken or not allowed
 */
export async function listen(
  handle: RequestListener,
  { host, port, maxConnections = manyConnections, headersTimeoutMs = times.headersTimeout }: ListenOptions,
): Promise<Listening> {
  const connectionsCheckingInterval = Math.min(times.connectionsCheckingInterval, headersTimeoutMs);
  const own = { headersTimeout: headersTimeoutMs, connectionsCheckingInterval, maxHeaderSize };
  const server = createServer({ ...times, ...own }, handle);
  server.maxConnections = maxConnections;
  server.on("request", (request, response) => response.once("finish", () => lingerOnBody(request)));
  limitAddresses(server, maxConnections);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host, backlog }, resolve);
  }).catch((cause: unknown) => {
    throw new BuilderError("setting_invalid", `cannot listen on ${host}:${port}: ${messageOf(cause)}`, {
      cause,
      fix: "Set PORT to a free port.",
    });
  });
  const { port: actual } = server.address() as AddressInfo;
  const reachable = ["0.0.0.0", "::"].includes(host) ? "127.0.0.1" : host;
  return { url: `http://${reachable}:${actual}`, close: ({ limitMs }) => close(server, limitMs) };
}

/** One address shall not be able to keep all others out. */
function limitAddresses(server: Server, maxConnections: number): void {
  const limit = createAddressLimit(maxConnections);
  server.prependListener("connection", (socket) => {
    const place = limit.take(socket.remoteAddress);
    if (place) socket.once("close", () => place[Symbol.dispose]());
    else socket.destroy();
  });
}

async function close(server: Server, limitMs: number): Promise<void> {
  const limit = setTimeout(() => server.closeAllConnections(), limitMs);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(limit);
}
