import type { IncomingMessage, ServerResponse } from "node:http";
import { serveApi } from "./api.ts";
import { isReadable, type World } from "./operation.ts";
import { agreeToManifest } from "./registration.ts";
import { serveGit } from "./repositories.ts";

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
  const [, owner, name] = /^\/([^/]+)\/([^/]+)\.git\//.exec(pathname) ?? [];
  const repository = world.repositories.get(`${owner}/${name}`.toLowerCase());
  const { authorization } = request.headers;
  if (repository && isReadable(world, repository, { authorization, permission: "contents" })) {
    const fault = world.faults.next(`${request.method} ${pathname}`, "git");
    return serveGit(request, response, { root, path: pathname, query: searchParams.toString(), fault });
  }
  // GitHub asks whoever has no right for credentials, so that nobody learns what exists.
  response.writeHead(401, { "www-authenticate": 'Basic realm="GitHub"' }).end("Repository not found.");
}
