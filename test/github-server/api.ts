import type { IncomingMessage, ServerResponse } from "node:http";
import { text as readText } from "node:stream/consumers";
import { tokenOf } from "./app-auth.ts";
import { checkOperations } from "./check-runs.ts";
import { factOperations } from "./facts.ts";
import { answerOf } from "./faults.ts";
import { hookOperations } from "./hook-operations.ts";
import type { Gatekeeper } from "./limits.ts";
import { exampleOf, faultsOfAnswer, faultsOfRequest } from "./openapi.ts";
import { type Answer, type Call, isReadable, type Operation, refusal, repositoryOf, type World } from "./operation.ts";
import { registrationOperations } from "./registration.ts";
import { hasCommit } from "./repositories.ts";
import type { PostedStatus } from "./statuses.ts";

const operations: readonly Operation[] = [
  { method: "POST", path: "/app/installations/{installation_id}/access_tokens", handle: giveToken },
  { method: "POST", path: "/repos/{owner}/{repo}/statuses/{sha}", handle: postStatus },
  { method: "GET", path: "/repos/{owner}/{repo}/commits/{ref}/statuses", handle: listStatuses },
  { method: "GET", path: "/repos/{owner}/{repo}", handle: showRepository },
  ...checkOperations,
  ...hookOperations,
  ...factOperations,
  ...registrationOperations,
];

/** Serves one call of the REST API, held against GitHub's description on its way in and on its way out. */
export async function serveApi(
  request: IncomingMessage,
  response: ServerResponse,
  { path, query, world }: { path: string; query: URLSearchParams; world: World },
): Promise<void> {
  const method = request.method ?? "";
  world.calls.push(`${method} ${path}`);
  const body = await bodyOf(request);
  const found = findOperation(method, currentPath(path, world));
  if (!found) {
    world.violations.push(`request: ${method} ${path} is nothing that is served here`);
    return send(response, refusal(404, "Not Found"));
  }
  const { operation, values } = found;
  const { headers } = request;
  const call = { values, authorization: headers.authorization, body, query, headers };
  const moved = movedTo(path, { method, world, request });
  const answer = moved ?? (await answerOfCall(operation, call, { path, response, world }));
  if (!answer) return;
  const isConditional = headers["if-none-match"] !== undefined;
  const wrong = faultsOfAnswer({ ...operation, product: world.product }, answer, { isConditional });
  if (wrong !== "") world.violations.push(`answer: ${wrong}`);
  if (answer.status === 304) world.unmodified.push(`${method} ${path}`);
  send(response, answer);
}

/** @returns undefined when there is nothing to answer with */
async function answerOfCall(
  operation: Operation,
  call: Call,
  { path, response, world }: { path: string; response: ServerResponse; world: World },
): Promise<Answer | undefined> {
  const { method } = operation;
  const fault = world.faults.next(`${method} ${path}`);
  const isWrite = /\/(?:statuses|check-runs)/.test(path) && method !== "GET";
  const gatekeeper = gatekeeperOf(call.authorization, world);
  const answer = fault
    ? await answerOf(fault, { response, answer: () => answerCall(operation, call, world) })
    : await answerWithinLimits({ isWrite }, { gatekeeper, answer: () => answerCall(operation, call, world) });
  if (!answer) return undefined;
  gatekeeper.leave({ isWrite });
  return { ...answer, headers: { ...gatekeeper.headers(), ...answer.headers } };
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const text = ["POST", "PATCH"].includes(request.method ?? "") ? await readText(request) : "";
  return text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
}

/** A call under a name that a repository does not have any more, with the place where it is now. */
function movedTo(
  path: string,
  { method, world, request }: { method: string; world: World; request: IncomingMessage },
): Answer | undefined {
  const [, place = "", rest = ""] = /^\/repos\/([^/]+\/[^/]+)(.*)$/.exec(path) ?? [];
  const id = world.moved.get(place.toLowerCase());
  if (id === undefined) return undefined;
  const location = `http://${request.headers.host}/api/v3/repositories/${id}${rest}`;
  const body = { message: "Moved Permanently", url: location, documentation_url: "https://docs.github.com/rest" };
  return { status: method === "GET" ? 301 : 307, headers: { location }, body };
}

/** `/repositories/ID`, where moved ones are, as the path that GitHub's description knows. */
function currentPath(path: string, { repositories }: World): string {
  const [, id, rest = ""] = /^\/repositories\/(\d+)(.*)$/.exec(path) ?? [];
  const repository = [...repositories.values()].find((known) => known.id === id);
  return repository ? `/repos/${repository.owner}/${repository.name}${rest}` : path;
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

/** What the App asks for itself is counted where most installations are. */
function gatekeeperOf(authorization: string | undefined, { auth, installations }: World): Gatekeeper {
  const id = auth.installationOf(tokenOf(authorization));
  return (installations.find(id) ?? installations.common).gatekeeper;
}

async function answerWithinLimits(
  kind: { isWrite: boolean },
  { gatekeeper, answer }: { gatekeeper: Gatekeeper; answer(): Promise<Answer> },
): Promise<Answer> {
  const over = gatekeeper.enter(kind);
  return over ? { ...refusal(403, over.message), headers: over.headers } : answer();
}

async function answerCall(operation: Operation, call: Call, world: World): Promise<Answer> {
  const wrong = faultsOfRequest({ ...operation, product: world.product }, call);
  if (wrong === "") return operation.handle(call, world);
  world.violations.push(`request: ${wrong}`);
  return refusal(422, `Validation Failed: ${wrong}`);
}

function giveToken({ values, authorization, body }: Call, world: World): Answer {
  if (!world.auth.isApp(authorization)) return refusal(401, "A JSON web token could not be decoded");
  const installation = world.installations.find(values.installation_id);
  if (!installation) return refusal(404, "Not Found");
  if (installation.suspendedAt) return refusal(403, "This installation has been suspended");
  const ids = (body.repository_ids as number[] | undefined)?.map(String);
  const own = [...world.repositories.values()].filter((known) => known.installationId === installation.id);
  if (ids?.some((id) => world.unselected.has(id) || !own.some((repository) => repository.id === id))) {
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
  const { granted } = installation;
  if (granted && Object.entries(permissions).some(([name, level]) => !isGranted(level, granted[name]))) {
    return refusal(422, "The permissions requested are not granted to this installation.");
  }
  const token = world.auth.issue({ installationId: installation.id, repositoryIds: ids, permissions });
  const answer = {
    token: token.text,
    expires_at: token.expiresAt.toISOString(),
    permissions,
    repository_selection: ids ? "selected" : "all",
  };
  return { status: 201, body: answer };
}

function isGranted(level: string, granted: string | undefined): boolean {
  return granted === "write" || granted === level;
}

async function postStatus({ values, authorization, body }: Call, world: World): Promise<Answer> {
  const repository = repositoryOf(values, world);
  const token = tokenOf(authorization);
  if (!world.auth.isKnown(token)) return refusal(401, "Bad credentials");
  if (!repository) return refusal(404, "Not Found");
  if (!world.auth.allows(token, repository, ["statuses", "write"])) {
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
  if (world.statuses.isFull(status)) {
    return refusal(422, "Validation Failed: This SHA and context has reached the maximum number of statuses.");
  }
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
  // GitHub's own example of it, and of what it was forked from, lacks what its description asks for.
  const { parent: _, source: __, ...example } = exampleOf("full-repository-default-response");
  const { id, name, owner, defaultBranch } = repository;
  const full = {
    ...example,
    id: Number(id),
    name,
    full_name: `${owner}/${name}`,
    owner: { ...(example.owner as object), login: owner },
    language: null,
    private: repository.private,
    default_branch: defaultBranch,
  };
  return { status: 200, body: full };
}

function statusBody({ context, state, description, targetUrl }: PostedStatus, id: number): unknown {
  return { ...exampleOf("status"), id, context, state, description, target_url: targetUrl };
}

function send(response: ServerResponse, { status, body, headers = {} }: Answer): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
  response.end(status === 304 ? undefined : JSON.stringify(body));
}
