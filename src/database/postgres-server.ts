import { type ChildProcess, spawn } from "node:child_process";
import { open, readFile, rename, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, escapeIdentifier } from "pg";
import { BuilderError, messageOf } from "../errors.ts";
import type { PostgresPlace } from "./postgres-place.ts";
import { childEnvironment, identityOptions } from "./system-user.ts";

/** The superuser and the database that every PostgreSQL of ours has. */
export const role = "app";

const settings = {
  listen_addresses: "",
  unix_socket_permissions: "0700",
  shared_buffers: "32MB",
  log_min_messages: "warning",
  // Statements carry what users pushed.
  log_min_error_statement: "panic",
};
const askAgainMs = 50;
/** A server killed with SIGKILL leaves children for a moment, which hold its memory and let no successor start. */
const maxRefusals = 100;
const stopLimitMs = 30_000;
const maxLogBytes = 10 * 1024 * 1024;

/**
 * Starts the server and waits until it answers.
 * @returns its process; undefined when another process' server has won the folder and answers
 * @throws BuilderError `database_unreachable` with the server's last words
 */
export async function launchServer(server: {
  place: PostgresPlace;
  binaries: string;
  signal: AbortSignal;
}): Promise<ChildProcess | undefined> {
  const { place, signal } = server;
  let child = await spawnServer(server);
  try {
    let refusals = 0;
    for (let answer = await askServer(place); answer !== "ready"; answer = await askServer(place)) {
      if (answer === "silent" && hasEnded(child)) {
        if (++refusals > maxRefusals) throw await refused(place);
        child = await spawnServer(server);
      }
      await sleep(askAgainMs, undefined, { signal });
    }
    return (await isServer(child, place)) ? child : undefined;
  } catch (error) {
    await endServer(child);
    throw signal.aborted ? tooLate(place, signal) : error;
  }
}

function tooLate({ home }: PostgresPlace, { reason }: AbortSignal): BuilderError {
  return new BuilderError("database_unreachable", `PostgreSQL did not start on "${home}" in time`, { cause: reason });
}

async function spawnServer({ place, binaries }: { place: PostgresPlace; binaries: string }): Promise<ChildProcess> {
  const args = Object.entries({ ...settings, unix_socket_directories: place.socketFolder });
  await using log = await openLog(place.logFile);
  const child = spawn(
    `${binaries}/postgres`,
    ["-D", place.data, ...args.flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    {
      ...identityOptions(place.identity),
      cwd: "/",
      env: childEnvironment,
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
    },
  );
  await new Promise<void>((resolve, reject) => child.once("spawn", resolve).once("error", reject));
  child.unref();
  return child;
}

async function openLog(file: string) {
  const { size } = await stat(file).catch(() => ({ size: 0 }));
  if (size > maxLogBytes) await rename(file, `${file}.old`);
  return open(file, "a", 0o600);
}

/**
 * Asks whether the server takes connections, and sees to the database `app` when it does.
 * @throws BuilderError `database_unreachable` when it answers and refuses us
 */
export async function askServer({ socketFolder }: PostgresPlace): Promise<"ready" | "starting" | "silent"> {
  const connection = { host: socketFolder, port: 5432, user: role, ssl: false, connectionTimeoutMillis: 5000 };
  const client = new Client({ ...connection, database: "postgres" });
  client.on("error", () => {});
  try {
    await client.connect();
    await createDatabase(client);
    return "ready";
  } catch (error) {
    // cannot_connect_now: it starts, recovers or stops
    return codeOf(error) === "57P03" ? "starting" : silentUnlessForeign(error);
  } finally {
    await client.end().catch(() => {});
  }
}

async function createDatabase(client: Client): Promise<void> {
  const { rowCount } = await client.query("select from pg_database where datname = $1", [role]);
  if (rowCount) return;
  await client.query(`create database ${escapeIdentifier(role)}`).catch((error: unknown) => {
    // Another process has made it in this moment: duplicate_database, or unique_violation.
    if (!["42P04", "23505"].includes(codeOf(error))) throw error;
  });
}

/** A database error is an answer, and none that asking again would change. */
function silentUnlessForeign(error: unknown): "silent" {
  if (/^(28|3D|42|53)/.test(codeOf(error))) {
    throw new BuilderError("database_unreachable", `PostgreSQL refuses us: ${messageOf(error)}`, { cause: error });
  }
  return "silent";
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code ?? "");
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function isServer(child: ChildProcess, { data }: PostgresPlace): Promise<boolean> {
  const pid = Number((await readFile(`${data}/postmaster.pid`, "utf8")).split("\n", 1)[0]);
  return pid === child.pid;
}

async function refused({ home, logFile }: PostgresPlace): Promise<BuilderError> {
  const words = (await readFile(logFile, "utf8").catch(() => "")).trimEnd().split("\n").slice(-3).join(" | ");
  return new BuilderError("database_unreachable", `PostgreSQL does not start on "${home}": ${words}`, {
    fix: `Read ${logFile}, or set DATABASE_URL to a PostgreSQL of your own.`,
  });
}

/** SIGINT is PostgreSQL's fast shutdown; SIGQUIT leaves at once and recovers at the next start. */
export async function endServer(server: ChildProcess): Promise<void> {
  if (hasEnded(server)) return;
  server.ref();
  const gone = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  server.kill("SIGINT");
  const impatience = setTimeout(() => server.kill("SIGQUIT"), stopLimitMs);
  await gone.finally(() => clearTimeout(impatience));
}

/** Ends a server that another process has started, and waits until it has let go of its data. */
export async function endStrangersServer({ data }: Pick<PostgresPlace, "data">): Promise<void> {
  const file = `${data}/postmaster.pid`;
  const pid = Number((await readFile(file, "utf8").catch(() => "")).split("\n", 1)[0]);
  if (!Number.isInteger(pid) || pid <= 1) return;
  process.kill(pid, "SIGINT");
  for (let leftMs = stopLimitMs; leftMs > 0 && (await exists(file)); leftMs -= askAgainMs) await sleep(askAgainMs);
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
