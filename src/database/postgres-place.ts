import { createHash } from "node:crypto";
import { chmod, chown, mkdir, mkdtemp, readFile, realpath, rename, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { BuilderError } from "../errors.ts";
import type { Log } from "../log.ts";
import { findSystemUser, type Identity, mayEnter } from "./system-user.ts";

/** Where a PostgreSQL of ours keeps everything, and as whom it runs. */
export interface PostgresPlace {
  readonly home: string;
  readonly data: string;
  /** Holds the socket and nothing else. */
  readonly socketFolder: string;
  readonly logFile: string;
  /** Where a copy of the programs goes, if the user cannot run them where they lie. */
  readonly copies: string;
  /** The user to run as; absent: as this process does. */
  readonly identity: Identity | undefined;
}

/**
 * Root keeps here what PostgreSQL's user could not reach where it belongs, as below /root. It is no part of any data
 * folder, which may be closed to others for good reason.
 */
const sharedHome = "/var/lib/of-builder-postgresql";

const socketName = "/.s.PGSQL.5432";
/** sun_path holds 104 bytes on macOS and 108 on Linux, with a NUL at the end. */
const maxSocketBytes = 103;

/**
 * Settles where PostgreSQL lives for a folder. The same folder gives the same place, so that a second start finds the
 * first one's server.
 */
export async function settlePlace({
  folder,
  user,
  log,
}: {
  folder: string;
  user?: string;
  log: Log;
}): Promise<PostgresPlace> {
  // The mode is for the folder alone: closed parents would keep PostgreSQL's user out.
  await mkdir(dirname(folder), { recursive: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const wanted = await realpath(folder);
  const identity = await chooseIdentity(wanted, user);
  await own(wanted, identity);
  const home = await chooseHome(wanted, identity, log);
  return {
    home,
    data: `${home}/pg`,
    socketFolder: await settleSocketFolder(home, identity),
    logFile: `${home}/postgres.log`,
    copies: identity ? sharedHome : home,
    identity,
  };
}

/** A folder that already has an owner other than root keeps it: PostgreSQL starts only for the owner of its data. */
async function chooseIdentity(folder: string, user: string | undefined): Promise<Identity | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  return (await ownerOfData(movedHome(folder))) ?? (await ownerOfData(folder)) ?? (await findSystemUser(user));
}

async function ownerOfData(home: string): Promise<Identity | undefined> {
  const { uid, gid } = await stat(`${home}/pg`).catch(() => ({ uid: 0, gid: 0 }));
  return uid === 0 ? undefined : { uid, gid };
}

async function own(path: string, identity: Identity | undefined): Promise<void> {
  if (identity) await chown(path, identity.uid, identity.gid);
}

/** Data stay where they are, whatever has become of the folder's mode: an empty database in their place would hide them. */
async function chooseHome(folder: string, identity: Identity | undefined, log: Log): Promise<string> {
  if (identity && (await ownerOfData(movedHome(folder)))) return movedHome(folder);
  if (await mayEnter(folder, identity)) return folder;
  if (await ownerOfData(folder)) {
    throw new BuilderError("database_unreachable", `PostgreSQL's user cannot enter "${folder}", where its data lie`, {
      fix: "Let everyone pass through the folders above it (chmod o+x).",
    });
  }
  return moveHome(folder, identity, log);
}

async function moveHome(folder: string, identity: Identity | undefined, log: Log): Promise<string> {
  const home = movedHome(folder);
  await mkdir(home, { recursive: true });
  // Whatever the umask is: everyone may pass, nobody may look around.
  for (const passage of [sharedHome, dirname(home)]) await chmod(passage, 0o711);
  await chmod(home, 0o700);
  await own(home, identity);
  log.info({ folder, home }, "the data of PostgreSQL lies elsewhere: its user cannot enter the folder");
  return home;
}

function movedHome(folder: string): string {
  return `${sharedHome}/data/${createHash("sha256").update(folder).digest("hex").slice(0, 16)}`;
}

/** A folder whose path is too long for a socket gets one below /tmp, which is remembered beside the data. */
async function settleSocketFolder(home: string, identity: Identity | undefined): Promise<string> {
  const near = `${home}/socket`;
  if (Buffer.byteLength(near + socketName) <= maxSocketBytes) {
    await mkdir(near, { recursive: true });
    await chmod(near, 0o700);
    await own(near, identity);
    return near;
  }
  const note = `${home}/socket-folder`;
  const known = await readFile(note, "utf8").catch(() => "");
  if (known !== "" && (await isOwnFolder(known, identity))) return known;
  const far = await mkdtemp("/tmp/of-builder-pg-");
  await own(far, identity);
  await writeFile(`${note}.new`, far);
  await rename(`${note}.new`, note);
  return far;
}

/** Anyone may make a folder in /tmp under a name that has become free. */
async function isOwnFolder(folder: string, identity: Identity | undefined): Promise<boolean> {
  const { uid, mode } = await stat(folder).catch(() => ({ uid: -1, mode: 0 }));
  return uid === (identity?.uid ?? process.geteuid?.()) && (mode & 0o077) === 0;
}
