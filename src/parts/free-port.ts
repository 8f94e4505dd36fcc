import { createServer } from "node:net";

/** A port that nobody had a moment ago, for programs that want a number: somebody else may take it meanwhile. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((settle, fail) => {
    server.once("error", fail);
    server.listen(0, "127.0.0.1", settle);
  });
  const address = server.address();
  await new Promise((settle) => server.close(settle));
  if (address === null || typeof address === "string") throw new Error("a TCP server without a port");
  return address.port;
}
