import type { IncomingMessage, ServerResponse } from "node:http";
import { relative } from "node:path";
import { isReadable, type World } from "./operation.ts";
import { serveGit } from "./repositories.ts";

/** Serves a repository over smart HTTP, to whoever may read it; from a name that it had before one is sent on. */
export async function serveRepository(
  request: IncomingMessage,
  response: ServerResponse,
  { world, root, path, query }: { world: World; root: string; path: string; query: string },
): Promise<void> {
  const [place = "", owner, name] = /^\/([^/]+)\/([^/]+)\.git\//.exec(path) ?? [];
  const fullName = `${owner}/${name}`.toLowerCase();
  const rest = path.slice(place.length);
  const moved = [...world.repositories.values()].find(({ id }) => id === world.moved.get(fullName));
  if (moved) {
    response.writeHead(301, { location: `/${moved.owner}/${moved.name}.git/${rest}?${query}` }).end();
    return;
  }
  const repository = world.repositories.get(fullName);
  const { authorization } = request.headers;
  if (repository && isReadable(world, repository, { authorization, permission: "contents" })) {
    const fault = world.faults.next(`${request.method} ${path}`, "git");
    return serveGit(request, response, { root, path: `/${relative(root, repository.folder)}/${rest}`, query, fault });
  }
  // GitHub asks whoever has no right for credentials, so that nobody learns what exists.
  response.writeHead(401, { "www-authenticate": 'Basic realm="GitHub"' }).end("Repository not found.");
}
