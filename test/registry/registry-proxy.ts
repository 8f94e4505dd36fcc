import { type IncomingMessage, type ServerResponse, request as sendRequest } from "node:http";
import { type HttpServer, startHttpServer } from "./http-server.ts";

/** What a proxy does to the requests of a registry and its answers. */
interface Change {
  /** An answer in place of the registry's. */
  readonly answer?: (request: IncomingMessage) => { status: number; body: string } | undefined;
  /** Headers in place of the registry's. */
  readonly headers?: () => Readonly<Record<string, string>>;
}

/** A way to a registry on which things happen. */
export interface RegistryProxy extends HttpServer {
  /** "METHOD /path STATUS" of all that was asked so far. */
  readonly asked: readonly string[];
}

/** Starts a proxy before a registry of this machine. @param registry 127.0.0.1:PORT */
export async function startRegistryProxy(registry: string, { answer, headers }: Change = {}): Promise<RegistryProxy> {
  const asked: string[] = [];
  const server = await startHttpServer((request, response) => {
    response.on("finish", () => asked.push(`${request.method} ${request.url} ${response.statusCode}`));
    const own = answer?.(request);
    if (own === undefined) return passOn(request, response, { registry, headers: headers?.() ?? {} });
    request.resume();
    response.writeHead(own.status, { "content-type": "application/json" }).end(own.body);
  });
  return { ...server, asked };
}

function passOn(
  request: IncomingMessage,
  response: ServerResponse,
  { registry, headers }: { registry: string; headers: Readonly<Record<string, string>> },
): void {
  const { method, url } = request;
  // With the host that was asked for, the registry's own addresses lead here, too.
  const onward = sendRequest(`http://${registry}${url}`, { method, headers: request.headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, { ...answer.headers, ...headers });
    answer.pipe(response);
  });
  onward.on("error", () => response.destroy());
  request.pipe(onward);
}
