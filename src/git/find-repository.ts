import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/**
 * True where a folder may be of a git repository, as git itself looks for one: from the folder upwards. Asked before
 * git is, which takes a process each time.
 * @param environment `GIT_DIR` names a repository elsewhere
 */
export function mayBeOfRepository(folder: string, environment: Readonly<Record<string, string | undefined>>): boolean {
  if (environment.GIT_DIR) return true;
  const above = dirname(resolve(folder));
  return existsSync(join(folder, ".git")) || (above !== resolve(folder) && mayBeOfRepository(above, environment));
}
