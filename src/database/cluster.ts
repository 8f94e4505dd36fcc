import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chown, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { BuilderError, messageOf } from "../errors.ts";
import type { PostgresPlace } from "./postgres-place.ts";
import { childEnvironment, identityOptions } from "./system-user.ts";

const run = promisify(execFile);

/**
 * Creates the files of an empty database server, unless they are there. They are made under another name and then
 * renamed, so that a start that was killed leaves no half of them, and of two starts at once one wins.
 * @param role name of the superuser
 * @throws BuilderError `database_unreachable` with initdb's words
 */
export async function createCluster({
  place,
  binaries,
  role,
  signal,
}: {
  place: PostgresPlace;
  binaries: string;
  role: string;
  signal: AbortSignal;
}): Promise<void> {
  if (await exists(place.data)) return;
  await removeLeftovers(place);
  const scratch = `${place.data}.new-${process.pid}-${randomUUID()}`;
  try {
    await mkdir(scratch, { mode: 0o700 });
    if (place.identity) await chown(scratch, place.identity.uid, place.identity.gid);
    await initialise(scratch, { place, binaries, role, signal });
    await rename(scratch, place.data);
    await synchronise(place.home);
  } catch (error) {
    if (!(await exists(place.data))) throw error;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function initialise(
  folder: string,
  { place, binaries, role, signal }: { place: PostgresPlace; binaries: string; role: string; signal: AbortSignal },
): Promise<void> {
  const access = ["--auth-local=trust", "--auth-host=reject"];
  const args = ["-D", folder, `--username=${role}`, ...access, "--encoding=UTF8", "--locale=C", "--data-checksums"];
  try {
    await run(`${binaries}/initdb`, args, {
      ...identityOptions(place.identity),
      cwd: "/",
      env: childEnvironment,
      signal,
    });
  } catch (cause) {
    const words = String((cause as { stderr?: unknown }).stderr ?? "").trim() || messageOf(cause);
    throw new BuilderError("database_unreachable", `initdb failed in "${place.home}": ${words}`, { cause });
  }
}

/** What starts left that were killed while they made their files. */
async function removeLeftovers({ home }: PostgresPlace): Promise<void> {
  for (const name of await readdir(home)) {
    const pid = /^pg\.new-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || (await isInUse(`${home}/${name}`, Number(pid)))) continue;
    await rm(`${home}/${name}`, { recursive: true, force: true });
  }
}

/** A process in a container has the pid that its predecessor had. */
async function isInUse(path: string, pid: number): Promise<boolean> {
  if (pid !== process.pid) return isAlive(pid);
  const { birthtimeMs } = await stat(path);
  return birthtimeMs >= performance.timeOrigin;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Makes the rename last through a power cut. */
async function synchronise(folder: string): Promise<void> {
  await using handle = await open(folder);
  await handle.sync();
}
