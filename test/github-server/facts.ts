import { createHash } from "node:crypto";
import { exampleOf } from "./openapi.ts";
import { type Answer, type Call, isReadable, type Operation, refusal, repositoryOf, type World } from "./operation.ts";
import { commitOf, headsOf } from "./repositories.ts";

/** What the API tells of a repository, its people, its branches and its pull requests. */
export const factOperations: readonly Operation[] = [
  { method: "GET", path: "/repos/{owner}/{repo}/branches", handle: listBranches },
  { method: "GET", path: "/repos/{owner}/{repo}/branches/{branch}", handle: showBranch },
  { method: "GET", path: "/repos/{owner}/{repo}/collaborators/{username}/permission", handle: showPermission },
  { method: "GET", path: "/repos/{owner}/{repo}/pulls/{pull_number}", handle: showPull },
  { method: "GET", path: "/repos/{owner}/{repo}/installation", handle: showInstallation },
];

/** By name, page by page; with an ETag, as each of them has. */
async function listBranches({ values, authorization, headers, query }: Call, world: World): Promise<Answer> {
  const repository = repositoryOf(values, world);
  const readable = repository && isReadable(world, repository, { authorization, permission: "contents" });
  if (!readable) return refusal(404, "Not Found");
  const perPage = Math.min(Number(query.get("per_page") ?? 30), 100);
  const start = (Number(query.get("page") ?? 1) - 1) * perPage;
  const heads = (await headsOf(repository.folder)).slice(start, start + perPage);
  const etag = `W/"${createHash("sha256").update(JSON.stringify(heads)).digest("hex")}"`;
  if (headers["if-none-match"] === etag) return { status: 304, body: undefined, headers: { etag } };
  const url = "https://api.github.com/commits/x";
  const body = heads.map(({ name, sha }) => ({ name, commit: { sha, url }, protected: false }));
  return { status: 200, body, headers: { etag } };
}

/** With an ETag, which a caller may ask by whether anything has changed. */
async function showBranch({ values, authorization, headers }: Call, world: World): Promise<Answer> {
  const repository = repositoryOf(values, world);
  const readable = repository && isReadable(world, repository, { authorization, permission: "contents" });
  const commit = readable && (await commitOf(repository.folder, `refs/heads/${values.branch}`));
  if (!commit) return refusal(404, "Branch not found");
  const etag = `W/"${commit.sha}"`;
  if (headers["if-none-match"] === etag) return { status: 304, body: undefined, headers: { etag } };
  const example = exampleOf("branch-get") as { commit: { commit: { committer: object } } };
  const committer = { ...example.commit.commit.committer, date: new Date(commit.time * 1000).toISOString() };
  const inner = { ...example.commit.commit, committer, message: commit.message };
  const body = { ...example, name: values.branch, commit: { ...example.commit, sha: commit.sha, commit: inner } };
  return { status: 200, body, headers: { etag } };
}

function showPermission({ values, authorization }: Call, world: World): Answer {
  const repository = repositoryOf(values, world);
  const readable = repository && isReadable(world, repository, { authorization, permission: "metadata" });
  if (!readable) return refusal(404, "Not Found");
  const example = exampleOf("repository-collaborator-permission-response-if-user-has-admin-permissions");
  const writes = world.writers.has(values.username ?? "");
  const permission = writes ? "write" : "read";
  return { status: 200, body: { ...example, permission, role_name: permission, user: null } };
}

function showPull({ values, authorization }: Call, world: World): Answer {
  const repository = repositoryOf(values, world);
  const readable = repository && isReadable(world, repository, { authorization, permission: "pull_requests" });
  const name = `${values.owner}/${values.repo}`.toLowerCase();
  const pull = world.pulls.find((known) => known.repository === name && String(known.number) === values.pull_number);
  if (!readable || !pull) return refusal(404, "Not Found");
  const example = exampleOf("pull-request") as { head: { repo: object }; base: { repo: object } };
  const own = { ...example.base.repo, id: Number(repository.id), default_branch: repository.defaultBranch };
  const head = { ...example.head, sha: pull.sha, repo: pull.fork ? { ...example.head.repo, id: 1 } : own };
  const base = { ...example.base, ref: pull.base, repo: own };
  const updated_at = pull.updatedAt.toISOString();
  return {
    status: 200,
    body: { ...example, number: pull.number, state: "open", requested_teams: [], head, base, updated_at },
  };
}

function showInstallation({ values, authorization }: Call, world: World): Answer {
  if (!world.auth.isApp(authorization)) return refusal(401, "A JSON web token could not be decoded");
  const repository = repositoryOf(values, world);
  if (!repository || world.unselected.has(repository.id)) return refusal(404, "Not Found");
  const installation = world.installations.find(repository.installationId);
  const suspended = installation?.suspendedAt?.toISOString() ?? null;
  const body = { ...exampleOf("installation"), id: Number(repository.installationId), suspended_at: suspended };
  return { status: 200, body };
}
