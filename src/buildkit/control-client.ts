/*
 * Calls of a daemon with grpc-js, on a connection of their own. Builds do without it (see calls.ts), and it takes longer
 * to load than a small build takes of our time: so it is loaded when it is needed first.
 */
import { type ChannelCredentials, Client, credentials, Metadata, type MethodDefinition } from "@grpc/grpc-js";
import { type Prepare, PreparedCredentials } from "./prepared-credentials.ts";

export interface ControlClient {
  /**
   * Calls a method that takes one message and answers one.
   * @throws ServiceError of grpc-js, also after `limitMs` and when it is cancelled
   */
  ask<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    options: { limitMs: number; signal: AbortSignal },
  ): Promise<Response>;
  close(): void;
}

/** The longest answer asked for here is a list of the daemon's workers and their platforms. */
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
 * Creates a client; its connection is made on first use. The caller closes it.
 * @param target as grpc-js takes it, such as "unix:/run/buildkit/buildkitd.sock"
 * @param options.prepare makes a connected socket ready for HTTP/2, where there is anything to be done
 */
export function createControlClient(
  target: string,
  { authority, isSecure, prepare }: { authority: string; isSecure: boolean; prepare: Prepare | undefined },
): ControlClient {
  const trust: ChannelCredentials =
    prepare === undefined ? credentials.createInsecure() : new PreparedCredentials(prepare, { isSecure });
  const client = new Client(target, trust, { ...channelOptions, "grpc.default_authority": authority });
  return {
    async ask({ path, requestSerialize, responseDeserialize }, request, { limitMs, signal }) {
      const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof responseDeserialize>>();
      const deadline = Date.now() + limitMs;
      const call = client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new Metadata(),
        { deadline },
        (error, response) => {
          if (error === null && response !== undefined) resolve(response);
          else reject(error);
        },
      );
      const cancel = () => call.cancel();
      signal.addEventListener("abort", cancel, { once: true });
      return await promise.finally(() => signal.removeEventListener("abort", cancel));
    },
    close: () => client.close(),
  };
}
