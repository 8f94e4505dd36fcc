import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

/**
 * True where a folder may be of a git repository, as git itself looks for one: from the folder upwards. Asked before
 * git is, which takes a process each time.
 * @param folder its absolute path
 * @param environment `GIT_DIR` names a repository elsewhere
 */
export function mayBeOfRepository(folder: string, environment: Readonly<Record<string, string | undefined>>): boolean {
  if (environment.GIT_DIR) return true;
  if (existsSync(join(folder, ".git"))) return true;
  const above = resolve(folder, "..");
  return above !== folder && mayBeOfRepository(above, environment);
}
