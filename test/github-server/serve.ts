import type { IncomingMessage, ServerResponse } from "node:http";
import { serveApi } from "./api.ts";
import { serveRepository } from "./git-door.ts";
import type { World } from "./operation.ts";
import { agreeToManifest } from "./registration.ts";

/** Serves one request, whichever it is: a page, the API, or git. */
export async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { world, root }: { world: World; root: string },
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  if (/^\/(?:organizations\/[^/]+\/)?settings\/apps\/new$/.test(pathname)) {
    return agreeToManifest(request, response, {
      registration: world.registration,
      state: searchParams.get("state") ?? "",
    });
  }
  if (pathname.startsWith("/api/v3/"))
    return serveApi(request, response, { path: pathname.slice(7), query: searchParams, world });
  return serveRepository(request, response, { root, path: pathname, query: searchParams.toString(), world });
}
