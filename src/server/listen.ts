import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { BuilderError, messageOf } from "../errors.ts";

export interface Listening {
  /** `http://HOST:PORT` as this machine reaches it. */
  readonly url: string;
  /** Takes no further connection; answers when the last one has ended, or is cut after `limitMs`. */
  close(options: { limitMs: number }): Promise<void>;
}

/** A tar of gigabytes over a slow line is honest; headers that take long are not. */
const limits = {
  requestTimeout: 60 * 60 * 1000,
  headersTimeout: 20_000,
  keepAliveTimeout: 5000,
  maxHeaderSize: 32 * 1024,
};

/** Each one takes memory before it has said anything; further ones are cut at once. */
const manyConnections = 4096;

/**
 * Serves HTTP.
 * @param port 0 = any free one
 * @throws BuilderError `setting_invalid` when the port is taken or not allowed
 */
export async function listen(
  handle: RequestListener,
  { host, port, maxConnections = manyConnections }: { host: string; port: number; maxConnections?: number },
): Promise<Listening> {
  const server = createServer(limits, handle);
  server.maxConnections = maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
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

async function close(server: Server, limitMs: number): Promise<void> {
  const limit = setTimeout(() => server.closeAllConnections(), limitMs);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(limit);
}
