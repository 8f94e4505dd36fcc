import { connect, type Socket } from "node:net";
import { credentials } from "@grpc/grpc-js";
import { BuilderError } from "../errors.ts";
import { ContentClient } from "./generated/content.ts";
import { ControlClient } from "./generated/control.ts";

/** A daemon's address made ready to be used: everything that knows how an address becomes a connection is here. */
export interface Endpoint {
  /** As it was given, for messages. */
  readonly address: string;
  /** Value of HTTP/2's ":authority". */
  readonly authority: string;
  /** Creates a control client with a connection of its own, made on first use. The caller closes it. */
  openControl(): ControlClient;
  /** The same for the daemon's blobs. */
  openContent(): ContentClient;
  /** Starts a connection for a session. The caller destroys it, and hears of a failure by its "error" event. */
  connect(): Socket;
}

/** Some answers are long: logs of one Status message come near to 1 MiB. */
const maxMessageBytes = 16 * 1024 * 1024;

const channelOptions = {
  "grpc.max_receive_message_length": maxMessageBytes,
  "grpc.max_send_message_length": maxMessageBytes,
  // Else all clients of one address share one connection, and one that hangs takes the others with it.
  "grpc.use_local_subchannel_pool": 1,
  // A daemon is not reached through the web proxy that the environment may name.
  "grpc.enable_http_proxy": 0,
  "grpc.enable_retries": 0,
};

/**
 * Reads a daemon's address.
 * @param address "tcp://HOST:PORT" or "unix:///PATH"
 * @throws BuilderError `setting_invalid`
 */
export function parseAddress(address: string): Endpoint {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol === "unix:" && url.pathname !== "") {
    const path = decodeURIComponent(`${url.host}${url.pathname}`);
    return createEndpoint({ address, target: `unix:${path}`, authority: "localhost", connect: () => connect(path) });
  }
  if (url?.protocol === "tcp:" && url.hostname !== "" && url.port !== "") {
    const host = url.hostname.replace(/^\[|\]$/gu, "");
    const target = `dns:${url.host}`;
    return createEndpoint({ address, target, authority: url.host, connect: () => connect(Number(url.port), host) });
  }
  throw new BuilderError("setting_invalid", `"${address}" is no address of BuildKit`, {
    fix: "Give tcp://HOST:PORT or unix:///PATH.",
  });
}

function createEndpoint(parts: {
  address: string;
  target: string;
  authority: string;
  connect: () => Socket;
}): Endpoint {
  const { address, target, authority } = parts;
  const options = { ...channelOptions, "grpc.default_authority": authority };
  const insecure = credentials.createInsecure();
  return {
    address,
    authority,
    openControl: () => new ControlClient(target, insecure, options),
    openContent: () => new ContentClient(target, insecure, options),
    connect: () => parts.connect().setNoDelay(true),
  };
}
