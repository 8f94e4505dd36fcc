import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { BuilderError } from "../errors.ts";

const run = promisify(execFile);

/** A system user by its numbers. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

/** All of the environment that child processes get: ours may hold secrets, and PG* variables would steer them. */
export const childEnvironment = { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", LC_ALL: "C" };

/** The options that make a child process run as somebody else. */
export function identityOptions(identity: Identity | undefined): Partial<Identity> {
  return identity ? { uid: identity.uid, gid: identity.gid } : {};
}

/**
 * Finds the system user that PostgreSQL is to run as. Only root may ask.
 * @param name the user that must be taken; where absent it is `postgres`, or `of-builder`, which is made if need be
 * @throws BuilderError `setting_invalid` for an unknown or unfit name, `tool_missing` where no user can be made
 */
export async function findSystemUser(name: string | undefined): Promise<Identity> {
  if (name !== undefined) {
    const identity = await readUser(name);
    if (identity && identity.uid !== 0) return identity;
    const fault = identity ? "is root, as which PostgreSQL does not run" : "does not exist";
    throw new BuilderError("setting_invalid", `the system user "${name}" ${fault}`);
  }
  return (await readUser("postgres")) ?? (await readUser("of-builder")) ?? (await createUser("of-builder"));
}

/** Whether a user may read and enter a folder, asked of the kernel in the user's place. */
export async function mayEnter(folder: string, identity: Identity | undefined): Promise<boolean> {
  return succeeds("sh", ["-c", 'test -r "$1" && test -x "$1"', "sh", folder], identity);
}

/** Whether a program runs to a good end as a user. */
export async function succeeds(
  program: string,
  args: readonly string[],
  identity: Identity | undefined,
): Promise<boolean> {
  try {
    await run(program, args, { ...identityOptions(identity), cwd: "/", env: childEnvironment });
    return true;
  } catch {
    return false;
  }
}

async function readUser(name: string): Promise<Identity | undefined> {
  try {
    const ids = ["-u", "-g"].map((flag) => run("id", [flag, "--", name], { env: childEnvironment }));
    const [uid, gid] = (await Promise.all(ids)).map(({ stdout }) => Number(stdout));
    return uid === undefined || gid === undefined ? undefined : { uid, gid };
  } catch {
    return undefined;
  }
}

async function createUser(name: string): Promise<Identity> {
  const args = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name];
  try {
    await run("useradd", args, { env: childEnvironment });
  } catch (cause) {
    // Another process may have made it in this moment.
    const made = await readUser(name);
    if (made) return made;
    throw new BuilderError("tool_missing", `PostgreSQL does not run as root, and the user "${name}" cannot be made`, {
      cause,
      fix: "Create a system user named of-builder or postgres, run of-builder as an ordinary user, or set DATABASE_URL.",
    });
  }
  const identity = await readUser(name);
  if (!identity) throw new Error(`useradd made no user ${name}`);
  return identity;
}
