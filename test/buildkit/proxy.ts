import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A way to a daemon that a test can cut. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Ends all connections, and refuses new ones. */
  cut(): void;
  /** From now on nothing gets through, in neither direction, and nobody is told. */
  freeze(): void;
  /** The same for the connections that there are; new ones are passed on. */
  freezeOpen(): void;
}

/** Listens on a host of this machine and passes connections on to a daemon's unix socket. */
export async function startProxy(daemon: string, { host = "127.0.0.1", port = 0 } = {}): Promise<Proxy> {
  const path = daemon.replace(/^unix:\/\//, "");
  const sockets = new Set<Socket>();
  const frozen = new Set<Socket>();
  let isFrozen = false;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    if (isFrozen) return;
    const onward = connect(path).on("error", () => undefined);
    sockets.add(onward);
    socket.pipe(onward).pipe(socket);
    socket.on("close", () => onward.destroy());
    onward.on("close", () => frozen.has(socket) || socket.destroy());
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
  const cut = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  const freezeOpen = () => {
    for (const socket of sockets) {
      frozen.add(socket);
      socket.unpipe().pause();
    }
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    freezeOpen,
    freeze() {
      isFrozen = true;
      freezeOpen();
    },
    [Symbol.asyncDispose]: async () => cut(),
  };
}
