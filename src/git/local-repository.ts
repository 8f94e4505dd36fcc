import { access, constants, lstat, readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { simpleGit } from "simple-git";
import { BuilderError } from "../errors.ts";
import type { GitWorld } from "./git-environment.ts";
import { translateGitError } from "./git-error.ts";

/*
 * A repository of this disk may have come from a stranger, in an archive or as a folder of another repository. Git's
 * upload-pack runs in it as whoever runs us, and reads what it leads to: objects that it borrows (alternates), another
 * repository in its place (a .git file, commondir), and links. None of them shows in the path that a person has named,
 * so a repository has to hold all that is read of it itself. A partial clone is refused for what older gits do with one:
 * they fetch what it lacks, by a command that stands in its settings (CVE-2024-32465).
 */

/** Where git looks for the repository of a path; it takes the first that is one. */
const suffixes = ["/.git", "", ".git/.git", ".git"];
/** What is read of a repository to send files of it. */
const parts = ["HEAD", "packed-refs", "shallow", "objects", "refs", "reftable"];
/** A HEAD with which git takes a folder for a repository. */
const validHead = /^(?:ref:[ \t\n\r]*refs\/|[0-9a-f]{40})/;
const promisor = /^(?:extensions\.partialclone|remote\..*\.promisor)$/im;

/**
 * Checks that nothing of a repository of this disk leads out of it, and that git has nothing to fetch for it.
 * @returns the address under which git finds exactly what was checked
 * @throws BuilderError `path_forbidden`, `name_invalid`, `tool_missing`
 */
export async function checkLocalRepository(
  url: URL,
  { inherited, signal }: { inherited: GitWorld["inherited"]; signal: AbortSignal },
): Promise<URL> {
  const folder = pathOf(url);
  for (const suffix of suffixes) {
    const place = folder + suffix;
    if (!(await isHere(place, folder))) continue;
    await checkParts(place, folder);
    if (await isPartial(place, { inherited, signal })) throw refusal(folder, "it is a partial clone");
    if (await isSurelyTaken(place)) break;
  }
  return pathToFileURL(folder);
}

function pathOf(url: URL): string {
  try {
    const path = resolve(fileURLToPath(url));
    if (!path.includes("\0")) return path;
  } catch {
    // It names another machine, or is not encoded as it has to be.
  }
  throw new BuilderError("name_invalid", `repository address ${JSON.stringify(url.href.slice(0, 200))} is no path`, {
    fix: "Correct the address: file:///PATH.",
  });
}

/** The folder that is named may be a link, as a person sees that; what stands for it inside of one may not. */
async function isHere(place: string, folder: string): Promise<boolean> {
  const found = await (place.endsWith("/.git") ? lstat(place) : stat(place)).catch(() => undefined);
  if (!found) return false;
  if (!found.isDirectory()) throw refusal(folder, `${place} stands for a repository elsewhere`);
  return exists(join(place, "HEAD"));
}

async function checkParts(place: string, folder: string): Promise<void> {
  for (const name of ["commondir", "objects/info/alternates"]) {
    if (await exists(join(place, name))) throw refusal(folder, `its ${name} names a repository elsewhere`);
  }
  for (const part of parts) {
    const link = await findLink(join(place, part));
    if (link !== undefined) throw refusal(folder, `${link} is a link, or cannot be looked into`);
  }
}

/** What cannot be looked into counts as a link: git may still find files in it that it knows the names of. */
async function findLink(path: string): Promise<string | undefined> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSymbolicLink()) return path;
  if (!found?.isDirectory()) return undefined;
  try {
    for (const entry of await readdir(path, { withFileTypes: true })) {
      const inside = join(path, entry.name);
      const link = entry.isFile() ? undefined : await findLink(inside);
      if (link !== undefined) return link;
    }
    return undefined;
  } catch (error) {
    // Git removes folders of objects that it packs.
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? undefined : path;
  }
}

/** As git finds it out, or stricter: where this is in doubt the next place is checked as well. */
async function isSurelyTaken(place: string): Promise<boolean> {
  const needed = ["objects", "refs"].map((name) => access(join(place, name), constants.X_OK));
  try {
    await Promise.all(needed);
    return validHead.test(await readFile(join(place, "HEAD"), "utf8"));
  } catch {
    return false;
  }
}

async function isPartial(
  place: string,
  {
    inherited: { PATH = "/usr/local/bin:/usr/bin:/bin" },
    signal,
  }: { inherited: GitWorld["inherited"]; signal: AbortSignal },
): Promise<boolean> {
  try {
    const git = simpleGit({ baseDir: place, abort: signal, unsafe: { allowUnsafeConfigPaths: true } }).env({ PATH });
    return promisor.test(await git.raw(["--git-dir=.", "config", "--name-only", "--list"]));
  } catch (error) {
    signal.throwIfAborted();
    throw translateGitError(error, {
      what: `the settings of ${place}`,
      token: undefined,
      goneCode: "template_unknown",
    });
  }
}

function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

function refusal(folder: string, reason: string): BuilderError {
  return new BuilderError("path_forbidden", `the repository ${JSON.stringify(folder)} is not read: ${reason}`, {
    fix: "Clone it (git clone --no-local) and name the clone, which holds all of its files itself.",
  });
}
