import { gunzipSync } from "node:zlib";
import { imageOfPush } from "../src/model/push-image-name.ts";
import { askRegistry } from "../test/ask-registry.ts";
import type { CheckRun } from "../test/github-server/checks.ts";
import type { Installation } from "./installation.ts";
import type { ChaosFunction, ChaosPush } from "./pushes.ts";

/** A run as the database knows it. */
export interface Run {
  readonly id: string;
  readonly sha: string;
  readonly state: string;
  /** Nobody told of it: the branch was asked for its head. */
  readonly found: boolean;
  /** Seconds from its beginning in the database to its end. */
  readonly seconds: number | null;
}

const stackContext = "stack-deploy";
const unended = ["queued", "running"];

/** What still has to happen before anything can be judged; "" when all is quiet. */
export async function unsettled({ database, github }: Installation, pushes: readonly ChaosPush[]): Promise<string> {
  const runs = await readRuns({ database });
  const known = new Set(runs.map(({ sha }) => sha));
  const missed = heard(pushes).filter(({ sha }) => !known.has(sha));
  if (missed.length > 0) return `${missed.length} pushes have not arrived, such as ${shown(missed[0])}`;
  const open = runs.filter(({ state }) => unended.includes(state));
  if (open.length > 0) return `${open.length} runs have not ended, such as ${open[0]?.id}`;
  const [unsent] = await database.query<{ count: string }>("select count(*) from report where unsent");
  if (unsent?.count !== "0") return `${unsent?.count} reports are not on GitHub`;
  const pending = github.checks.all.filter(({ status }) => status !== "completed");
  if (pending.length > 0) return `${pending.length} checks are pending, such as ${pending[0]?.externalId}`;
  const [logs] = await database.query<{ count: string }>("select count(*) from build_log where place is null");
  return logs?.count === "0" ? "" : `${logs?.count} logs are not packed`;
}

/** A push that GitHub told nobody of, and that is no head any more, cannot be known. */
function heard(pushes: readonly ChaosPush[]): readonly ChaosPush[] {
  const heads = new Set(headsOf(pushes));
  return pushes.filter((push) => push.way !== "never" || heads.has(push));
}

/** Everything that is not as it has to be, once all is quiet. */
export async function judge(installation: Installation, pushes: readonly ChaosPush[]): Promise<readonly string[]> {
  const runs = await readRuns(installation);
  const images = await Promise.all(headsOf(pushes).map((push) => judgeHead(installation, push)));
  const twice = await builtTwice(installation);
  return [...judgeChecks(installation.github.checks.all, { runs, pushes }), ...images.flat(), ...twice];
}

/** Each run has one check of a name, and a push that was told of has one run, whose stack's check has ended. */
function judgeChecks(
  checks: readonly CheckRun[],
  { runs, pushes }: { runs: readonly Run[]; pushes: readonly ChaosPush[] },
): string[] {
  const counts = Map.groupBy(checks, ({ externalId }) => externalId);
  const doubled = [...counts].filter(([, same]) => same.length > 1).map(([id]) => `"${id}" has more than one check`);
  const pending = checks
    .filter(({ status }) => status !== "completed")
    .map(({ externalId }) => `"${externalId}" pends`);
  const untold = runs
    .filter(({ id }) => !counts.has(`${id}/${stackContext}`))
    .map(({ id }) => `run ${id} has no check`);
  const bySha = Map.groupBy(runs, ({ sha }) => sha);
  const lost = heard(pushes).filter(({ sha }) => !bySha.has(sha));
  return [
    ...doubled,
    ...pending,
    ...untold,
    ...lost.map((push) => `the push ${shown(push)} was lost`),
    ...pushes.flatMap((push) => judgeRuns(push, bySha.get(push.sha) ?? [])),
  ];
}

/** However often GitHub tells of a push, and by however many ways it is found, it has one run, and so one end. */
function judgeRuns(push: ChaosPush, runs: readonly Run[]): string[] {
  if (runs.length <= 1) return [];
  const told = runs.map(({ id, state, found }) => `${id} ${found ? "found" : "told"} ${state}`).join(", ");
  return [`the push ${shown(push)} has ${runs.length} runs: ${told}`];
}

/** What was built of a commit is not built again: the head of a branch may be found by asking, and told of later. */
async function builtTwice({ database }: Installation): Promise<readonly string[]> {
  const rows = await database.query<{ sha: string; function: string }>(
    `select sha, function from push_function join push on push.id = push_id
    where push_function.state = 'built' group by owner, repository, branch, sha, function having count(*) > 1`,
  );
  return rows.map(({ sha, function: name }) => `function ${name} of commit ${sha} was built twice`);
}

/** The newest commit of a branch is what its images hold. */
async function judgeHead({ registry, github }: Installation, push: ChaosPush): Promise<string[]> {
  const checks = github.checks.latest(push.sha);
  const faults = await Promise.all(
    [...push.functions].map(async ([name, expected]) => {
      if (expected.fails) {
        const conclusion = checks.get(name)?.conclusion;
        return conclusion === "failure" ? "" : `${name} of ${shown(push)} ends as ${conclusion}, expected failure`;
      }
      const found = await textOf({ registry, push, name }).catch((error: Error) => error.message);
      return found.includes(`${expected.text}\n`) ? "" : wrongImage(push, { name, expected, found });
    }),
  );
  return faults.filter((fault) => fault !== "");
}

function wrongImage(
  push: ChaosPush,
  { name, expected, found }: { name: string; expected: ChaosFunction; found: string },
): string {
  const text = found.replaceAll(/[^ -~]+/g, " ").slice(0, 200);
  return `the image of ${name} of ${shown(push)} holds "${text}", expected "${expected.text}"`;
}

/** All that the layers of a pushed function's image hold, as it lies in a tar. */
async function textOf({ registry, push, name }: { registry: string; push: ChaosPush; name: string }): Promise<string> {
  const image = imageOfPush({ registry, image: `${name}:1`, push: { ...push, repository: push.name } });
  const [path = "", tag = ""] = image.slice(registry.length + 1).split(":");
  const manifest = await askRegistry(`http://${registry}/v2/${path}/manifests/${tag}`);
  if (!manifest.ok) throw new Error(`the registry answers ${manifest.status} for ${image}`);
  const { layers } = (await manifest.json()) as { layers: readonly { digest: string }[] };
  const texts = layers.map(async ({ digest }) => {
    const blob = await fetch(`http://${registry}/v2/${path}/blobs/${digest}`);
    return gunzipSync(await blob.bytes()).toString();
  });
  return (await Promise.all(texts)).join("\n");
}

/** All runs of pushes. */
export async function readRuns({ database }: Pick<Installation, "database">): Promise<readonly Run[]> {
  return database.query<Run>(
    "select id, sha, state, found, extract(epoch from ended_at - created_at)::float8 as seconds from push",
  );
}

function headsOf(pushes: readonly ChaosPush[]): readonly ChaosPush[] {
  return [...new Map(pushes.map((push) => [`${push.owner}/${push.branch}`, push])).values()];
}

function shown(push: ChaosPush | undefined): string {
  return push === undefined ? "" : `${push.owner}/${push.branch}@${push.sha.slice(0, 7)} (${push.way})`;
}
