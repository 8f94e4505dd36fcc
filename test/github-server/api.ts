import type { IncomingMessage, ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { type createAppAuth, tokenOf } from "./app-auth.ts";
import { answerOf, type createFaults } from "./faults.ts";
import { exampleOf, faultsOfAnswer, faultsOfRequest } from "./openapi.ts";
import { hasCommit } from "./repositories.ts";
import type { PostedStatus, StatusBoard } from "./statuses.ts";

export interface StoredRepository {
  readonly id: string;
  readonly owner: string;
  readonly name: string;
  readonly private: boolean;
  readonly defaultBranch: string;
  readonly folder: string;
}

/** All that this GitHub knows. */
export interface World {
  readonly installationId: string;
  readonly auth: ReturnType<typeof createAppAuth>;
  readonly repositories: Map<string, StoredRepository>;
  readonly statuses: StatusBoard;
  readonly faults: ReturnType<typeof createFaults>;
  /** Where a request or an answer broke GitHub's own description. */
  readonly violations: string[];
  /** `METHOD /path` of every call, with the faulty ones. */
  readonly calls: string[];
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Call {
  readonly values: Readonly<Record<string, string>>;
  readonly authorization: string | undefined;
  readonly body: Record<string, unknown>;
}

interface Operation {
  readonly method: string;
  readonly path: string;
  handle(call: Call, world: World): Answer | Promise<Answer>;
}

const operations: readonly Operation[] = [
  { method: "POST", path: "/app/installations/{installation_id}/access_tokens", handle: giveToken },
  { method: "POST", path: "/repos/{owner}/{repo}/statuses/{sha}", handle: postStatus },
  { method: "GET", path: "/repos/{owner}/{repo}/commits/{ref}/statuses", handle: listStatuses },
  { method: "GET", path: "/repos/{owner}/{repo}", handle: showRepository },
];

/** Serves one call of the REST API, held against GitHub's description on its way in and on its way out. */
export async function serveApi(
  request: IncomingMessage,
  response: ServerResponse,
  { path, world }: { path: string; world: World },
): Promise<void> {
  const method = request.method ?? "";
  world.calls.push(`${method} ${path}`);
  const body = method === "POST" ? ((await json(request)) as Record<string, unknown>) : {};
  const found = findOperation(method, path);
  if (!found) return send(response, refusal(404, "Not Found"));
  const { operation, values } = found;
  const fault = world.faults.next(`${method} ${path}`);
  const call = { values, authorization: request.headers.authorization, body };
  const answer = fault ? answerOf(fault, response) : await answerCall(operation, call, world);
  if (!answer) return;
  const wrong = faultsOfAnswer(operation, answer);
  if (wrong !== "") world.violations.push(`answer: ${wrong}`);
  send(response, answer);
}

function findOperation(method: string, path: string): { operation: Operation; values: Call["values"] } | undefined {
  for (const operation of operations) {
    const pattern = operation.path.replaceAll(/\{(\w+)\}/g, "(?<$1>[^/]+)");
    const match = operation.method === method ? new RegExp(`^${pattern}$`).exec(path) : null;
    if (!match) continue;
    const values = Object.entries(match.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]);
    return { operation, values: Object.fromEntries(values) };
  }
  return undefined;
}

async function answerCall(operation: Operation, call: Call, world: World): Promise<Answer> {
  const wrong = faultsOfRequest(operation, call);
  if (wrong === "") return operation.handle(call, world);
  world.violations.push(`request: ${wrong}`);
  return refusal(422, `Validation Failed: ${wrong}`);
}

function giveToken({ values, authorization, body }: Call, world: World): Answer {
  if (!world.auth.isApp(authorization)) return refusal(401, "A JSON web token could not be decoded");
  if (values.installation_id !== world.installationId) return refusal(404, "Not Found");
  const ids = (body.repository_ids as number[] | undefined)?.map(String);
  const known = [...world.repositories.values()];
  if (ids?.some((id) => !known.some((repository) => repository.id === id))) {
    return refusal(
      422,
      "There is at least one repository that does not exist or is not accessible to the installation.",
    );
  }
  const permissions = (body.permissions as Record<string, string> | undefined) ?? {
    contents: "read",
    metadata: "read",
    statuses: "write",
  };
  const token = world.auth.issue({ repositoryIds: ids, permissions });
  const answer = {
    token: token.text,
    expires_at: token.expiresAt.toISOString(),
    permissions,
    repository_selection: ids ? "selected" : "all",
  };
  return { status: 201, body: answer };
}

async function postStatus({ values, authorization, body }: Call, world: World): Promise<Answer> {
  const repository = repositoryOf(values, world);
  const token = tokenOf(authorization);
  if (!world.auth.isKnown(token)) return refusal(401, "Bad credentials");
  if (!repository) return refusal(404, "Not Found");
  if (!world.auth.allows(token, repository.id, ["statuses", "write"])) {
    return refusal(403, "Resource not accessible by integration");
  }
  const { sha = "" } = values;
  if (!(await hasCommit(repository.folder, sha))) return refusal(422, `No commit found for SHA: ${sha}`);
  const description = String(body.description ?? "");
  if (Array.from(description).length > 140) return refusal(422, "Validation Failed: description is too long");
  const status = {
    owner: repository.owner,
    repository: repository.name,
    sha,
    context: String(body.context ?? "default"),
    state: body.state as PostedStatus["state"],
    description,
    targetUrl: (body.target_url as string | undefined) ?? null,
  };
  world.statuses.post(status);
  return { status: 201, body: statusBody(status, world.statuses.all.length) };
}

function listStatuses({ values, authorization }: Call, world: World): Answer {
  const repository = repositoryOf(values, world);
  const readable = repository && isReadable(world, repository, { authorization, permission: "statuses" });
  if (!readable) return refusal(404, "Not Found");
  const posted = world.statuses.all
    .map((status, index) => ({ status, id: index + 1 }))
    .filter(({ status }) => status.sha === values.ref && status.repository === repository.name)
    .reverse();
  return { status: 200, body: posted.map(({ status, id }) => statusBody(status, id)) };
}

function showRepository({ values, authorization }: Call, world: World): Answer {
  const repository = repositoryOf(values, world);
  const readable = repository && isReadable(world, repository, { authorization, permission: "metadata" });
  if (!readable) return refusal(404, "Not Found");
  const example = exampleOf("full-repository-default-response");
  const { id, name, owner, defaultBranch } = repository;
  const full = {
    ...example,
    id: Number(id),
    name,
    full_name: `${owner}/${name}`,
    owner: { ...(example.owner as object), login: owner },
    private: repository.private,
    default_branch: defaultBranch,
  };
  return { status: 200, body: full };
}

/** Public repositories are everybody's, private ones need a token with the permission. */
export function isReadable(
  { auth }: World,
  repository: StoredRepository,
  { authorization, permission }: { authorization: string | undefined; permission: string },
): boolean {
  return !repository.private || auth.allows(tokenOf(authorization), repository.id, [permission, "read"]);
}

function repositoryOf({ owner, repo }: Call["values"], world: World): StoredRepository | undefined {
  return world.repositories.get(`${owner}/${repo}`.toLowerCase());
}

function statusBody({ context, state, description, targetUrl }: PostedStatus, id: number): unknown {
  return { ...exampleOf("status"), id, context, state, description, target_url: targetUrl };
}

function refusal(status: number, message: string): Answer {
  return { status, body: { message, documentation_url: "https://docs.github.com/rest" } };
}

function send(response: ServerResponse, { status, body, headers = {} }: Answer): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
  response.end(JSON.stringify(body));
}
