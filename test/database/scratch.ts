import { randomUUID } from "node:crypto";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { pino } from "pino";

/** A log that nobody reads. */
export const quiet = pino({ level: "silent" });

/** A folder that other users may pass through, which goes at the end. */
export async function createScratch(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), "of-builder-test-"));
  await chmod(path, 0o755);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** A database of its own on the run's PostgreSQL, which goes at the end. */
export async function createTestDatabase(server: string): Promise<AsyncDisposable & { url: string }> {
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  await ask(server, `create database ${name}`);
  return {
    url: url.href,
    async [Symbol.asyncDispose]() {
      await ask(server, `drop database ${name} with (force)`);
    },
  };
}

/** Runs one statement on a connection of its own. */
export async function ask(url: string, sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/** How often two sessions waited for each other in a database; a session's count is told within a second. */
export async function deadlocksOf(url: string): Promise<number> {
  const [row] = await ask(url, "select deadlocks from pg_stat_database where datname = current_database()");
  return Number(row?.deadlocks);
}

/** Asks again and again until the answer is there. */
export async function eventually<T>(question: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const answer = await question();
    if (answer !== undefined && answer !== false) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The process that serves a folder's data. */
export async function postmasterOf(home: string): Promise<number> {
  return Number((await readFile(join(home, "pg/postmaster.pid"), "utf8")).split("\n", 1)[0]);
}

/** Whether a process is there. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
