import { createServer, type RequestListener, type Server } from "node:http";

/** A server of a test, gone with it. */
export interface HttpServer extends AsyncDisposable {
  /** 127.0.0.1:PORT */
  readonly host: string;
}

/** Listens on any free port of this machine. */
export async function startHttpServer(listener: RequestListener): Promise<HttpServer> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server without a port");
  return {
    host: `127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
