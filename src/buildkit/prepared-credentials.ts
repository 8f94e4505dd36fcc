import type { Socket } from "node:net";
import { CallCredentials, ChannelCredentials } from "@grpc/grpc-js";

/** Makes a connected socket ready to carry HTTP/2: by TLS, or by asking a Docker engine for it. */
export type Prepare = (socket: Socket) => Promise<Socket>;

/**
 * "Credentials" of grpc-js that prepare each of its connections by a function of ours: its one place where a socket
 * can be changed before HTTP/2 starts on it. So its calls and our sessions are connected by the same code.
 *
 * The methods with "_" are abstract in its published types, which is why its minor version is pinned.
 */
export class PreparedCredentials extends ChannelCredentials {
  readonly #prepare: Prepare;
  readonly #isSecure: boolean;

  constructor(prepare: Prepare, { isSecure }: { isSecure: boolean }) {
    super();
    this.#prepare = prepare;
    this.#isSecure = isSecure;
  }

  override _isSecure(): boolean {
    return this.#isSecure;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(): ReturnType<ChannelCredentials["_createSecureConnector"]> {
    const none = CallCredentials.createEmpty();
    return {
      connect: async (socket) => {
        // Between their steps nobody listens, and an error that nobody hears ends the process.
        socket.on("error", () => undefined);
        try {
          return { socket: await this.#prepare(socket), secure: this.#isSecure };
        } catch (error) {
          socket.destroy();
          throw error;
        }
      },
      waitForReady: async () => undefined,
      getCallCredentials: () => none,
      destroy: () => undefined,
    };
  }
}
