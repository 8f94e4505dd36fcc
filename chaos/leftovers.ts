import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Installation, sessionName } from "./installation.ts";
import { descendantsOf, readProcesses } from "./processes.ts";

/** How long PostgreSQL, buildkitd and the system may take to notice that everybody has left. */
const noticeLimitMs = 30_000;
const lookEveryMs = 200;

/** Lets every process leave, and answers what they leave behind. */
export async function judgeLeftovers(installation: Installation): Promise<readonly string[]> {
  const { processes } = installation;
  const faults = processes.flatMap(({ crashes }) => crashes);
  const codes = await Promise.all(processes.map((process) => process.leave()));
  for (const [index, code] of codes.entries()) {
    if (code !== 0) faults.push(`${processes[index]?.name} left with ${code}, expected 0`);
  }
  const looks = [leftFiles, leftRows, leftSessions, leftProcesses, leftBuilds];
  const left = await Promise.all(looks.map((look) => untilNothing(() => look(installation))));
  return [...faults, ...left.flat()];
}

async function untilNothing(look: () => Promise<readonly string[]>): Promise<readonly string[]> {
  const endMs = Date.now() + noticeLimitMs;
  for (;;) {
    const left = await look();
    if (left.length === 0 || Date.now() > endMs) return left;
    await sleep(lookEveryMs);
  }
}

/**
 * What may lie in a data folder for good: mirrors of repositories. What a killed process was just moving into one goes
 * after an hour.
 */
const kept = /^temporary$|^git(?:\/[^/]+(?:\/.*)?)?$/;

async function leftFiles({ dataFolders }: Installation): Promise<readonly string[]> {
  const faults = dataFolders.map(async (folder) => {
    const files = await readdir(folder, { recursive: true, withFileTypes: true });
    const paths = files.map(({ parentPath, name }) => join(relative(folder, parentPath), name));
    const left = paths.filter((path) => !kept.test(path));
    return left.length === 0 ? [] : [`${folder} still holds ${left.length} files, such as ${left[0]}`];
  });
  return (await Promise.all(faults)).flat();
}

const rowsLeft = {
  "stories of the engine have not ended": `select count(*) from dbos.workflow_status
    where status in ('PENDING', 'ENQUEUED', 'DELAYED')`,
  "places of owners are still taken": "select count(*) from function_slot",
  "logs are not packed": "select count(*) from build_log where place is null",
  "parts of logs are left": "select count(*) from build_log_part",
  "commands have not ended": "select count(*) from command where ended_at is null",
};

async function leftRows({ database }: Installation): Promise<readonly string[]> {
  const faults = Object.entries(rowsLeft).map(async ([what, sql]) => {
    const [row] = await database.query<{ count: string }>(sql);
    return row?.count === "0" ? [] : [`${row?.count} ${what}`];
  });
  return (await Promise.all(faults)).flat();
}

/** Of whoever has left, idle ones too. */
async function leftSessions({ database }: Installation): Promise<readonly string[]> {
  const rows = await database.query<{ state: string; query: string }>(
    `select state, left(query, 60) as query from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and application_name <> $1`,
    [sessionName],
  );
  return rows.map(({ state, query }) => `a session of the database is still there, ${state}: ${query}`);
}

/** Whatever our processes started works in their folders. */
async function leftProcesses({ dataFolders }: Installation): Promise<readonly string[]> {
  const processes = await readProcesses();
  const left = processes.filter(({ about }) => dataFolders.some((folder) => about.includes(folder)));
  return left.map(({ pid, name }) => `the process ${pid} (${name}) is still there`);
}

/** Names of the programs that buildkitd consists of where it runs rootless. */
const parts = ["buildkitd", "rootlesskit", "exe", "slirp4netns"];

async function leftBuilds({ daemon }: Installation): Promise<readonly string[]> {
  const builds = await daemon.builds();
  const running = descendantsOf(await daemon.pid(), await readProcesses());
  const containers = running.filter(({ name }) => !parts.includes(name));
  return [
    ...builds.map((ref) => `buildkitd is still at the build ${ref}`),
    ...containers.map(({ pid, name }) => `the process ${pid} (${name}) of buildkitd is still there`),
  ];
}
