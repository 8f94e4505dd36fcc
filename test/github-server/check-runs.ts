import { tokenOf } from "./app-auth.ts";
import type { CheckBoard, CheckRun } from "./checks.ts";
import { exampleOf } from "./openapi.ts";
import {
  type Answer,
  type Call,
  isReadable,
  type Operation,
  refusal,
  repositoryOf,
  type StoredRepository,
  type World,
} from "./operation.ts";
import { hasCommit } from "./repositories.ts";

/** Check runs, with the limits that GitHub has for them: those of its description are held by whoever calls these. */
export const checkOperations: readonly Operation[] = [
  { method: "POST", path: "/repos/{owner}/{repo}/check-runs", handle: createRun },
  { method: "PATCH", path: "/repos/{owner}/{repo}/check-runs/{check_run_id}", handle: updateRun },
  { method: "GET", path: "/repos/{owner}/{repo}/check-runs/{check_run_id}", handle: showRun },
  { method: "GET", path: "/repos/{owner}/{repo}/commits/{ref}/check-runs", handle: listRuns },
];

const maxText = 65_535;
const maxAnnotationText = 64 * 1024;

async function createRun(call: Call, world: World): Promise<Answer> {
  const repository = writable(call, world);
  if ("status" in repository) return repository;
  const { body } = call;
  const wrong = faultOf(body);
  if (wrong !== "") return refusal(422, wrong);
  const sha = String(body.head_sha);
  if (!(await hasCommit(repository.folder, sha))) return refusal(422, `No commit found for SHA: ${sha}`);
  const run = world.checks.create({
    repositoryId: repository.id,
    repository: repository.name,
    name: String(body.name),
    sha,
  });
  change(world.checks, run, body);
  return { status: 201, body: runBody(run) };
}

function updateRun(call: Call, world: World): Answer {
  const repository = writable(call, world);
  if ("status" in repository) return repository;
  const run = runOf(call, repository, world);
  if (!run) return refusal(404, "Not Found");
  const wrong = faultOf(call.body);
  if (wrong !== "") return refusal(422, wrong);
  change(world.checks, run, call.body);
  return { status: 200, body: runBody(run) };
}

function showRun(call: Call, world: World): Answer {
  const repository = readable(call, world);
  const run = repository && runOf(call, repository, world);
  return run ? { status: 200, body: runBody(run) } : refusal(404, "Not Found");
}

function listRuns(call: Call, world: World): Answer {
  const repository = readable(call, world);
  if (!repository) return refusal(404, "Not Found");
  const name = call.query.get("check_name");
  const found = world.checks.all
    .filter((run) => run.repositoryId === repository.id && run.sha === call.values.ref)
    .filter((run) => name === null || run.name === name)
    .toReversed();
  const runs = call.query.get("filter") === "all" ? found : newestOfEachName(found);
  return { status: 200, body: { total_count: runs.length, check_runs: runs.slice(0, 100).map(runBody) } };
}

function newestOfEachName(runs: readonly CheckRun[]): readonly CheckRun[] {
  return runs.filter(({ name }, at) => runs.findIndex((run) => run.name === name) === at);
}

function writable(call: Call, world: World): StoredRepository | Answer {
  const token = tokenOf(call.authorization);
  if (!world.auth.isKnown(token)) return refusal(401, "Bad credentials");
  const repository = repositoryOf(call.values, world);
  if (!repository) return refusal(404, "Not Found");
  const allowed = world.auth.allows(token, repository, ["checks", "write"]);
  return allowed ? repository : refusal(403, "Resource not accessible by integration");
}

function readable({ values, authorization }: Call, world: World): StoredRepository | undefined {
  const repository = repositoryOf(values, world);
  return repository && isReadable(world, repository, { authorization, permission: "checks" }) ? repository : undefined;
}

function runOf({ values }: Call, { id }: StoredRepository, { checks }: World): CheckRun | undefined {
  return checks.all.find((run) => run.repositoryId === id && String(run.id) === values.check_run_id);
}

interface Output {
  readonly title?: string;
  readonly summary?: string;
  readonly text?: string;
  readonly annotations?: readonly Record<string, unknown>[];
}

/** What GitHub's description says in words only. */
function faultOf({ output = {}, external_id: externalId = "" }: { output?: Output; external_id?: string }): string {
  const { title = "", summary = "", text = "", annotations = [] } = output;
  if (externalId.length > 255) return "external_id is too long";
  if (title.length > 255) return "title is too long";
  if (Buffer.byteLength(summary) > maxText) return "Only 65535 characters are allowed; summary is too long";
  if (Buffer.byteLength(text) > maxText) return "Only 65535 characters are allowed; text is too long";
  const long = annotations.some(({ title: head = "", message = "" }) => {
    return String(head).length > 255 || Buffer.byteLength(String(message)) > maxAnnotationText;
  });
  return long ? "an annotation is too long" : "";
}

function change(board: CheckBoard, run: CheckRun, body: Record<string, unknown>): void {
  const { status, conclusion, external_id: externalId, output, actions, details_url: detailsUrl } = body;
  const { title = null, summary = null, text = null, annotations = [] } = (output ?? {}) as Output;
  board.change(run, {
    ...(status !== undefined && { status: status as CheckRun["status"] }),
    // As GitHub does: a conclusion ends the run.
    ...(conclusion !== undefined && { conclusion: conclusion as CheckRun["conclusion"], status: "completed" }),
    ...(externalId !== undefined && { externalId: externalId as string }),
    ...(detailsUrl !== undefined && { detailsUrl: detailsUrl as string }),
    ...(output !== undefined && { title, summary, text }),
    ...(actions !== undefined && { actions: actions as CheckRun["actions"] }),
    annotations: [...run.annotations, ...(annotations as CheckRun["annotations"])],
  });
}

function runBody(run: CheckRun): unknown {
  const { id, name, sha, status, conclusion, externalId, title, summary, text, annotations } = run;
  const example = exampleOf("check-run");
  const output = {
    ...(example.output as object),
    title,
    summary,
    text,
    annotations_count: annotations.length,
  };
  const ended = status === "completed" ? run.changedAt.toISOString() : null;
  return {
    ...example,
    id,
    name,
    head_sha: sha,
    status,
    conclusion,
    external_id: externalId,
    completed_at: ended,
    output,
    pull_requests: [],
  };
}
