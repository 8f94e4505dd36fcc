import { access, constants, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** Where Debian puts programs such as runc, which an ordinary user's PATH leaves out. */
const systemFolders = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/**
 * Finds a program.
 * @param path folders as the variable PATH has them
 * @param first folders that are looked through before those of PATH
 * @returns its path; undefined where there is none that may be run
 */
export async function findProgram(
  name: string,
  { path, first = [] }: { path: string; first?: readonly string[] },
): Promise<string | undefined> {
  const onPath = path.split(delimiter).filter((folder) => folder.startsWith("/"));
  for (const folder of [...first, ...onPath, ...systemFolders]) {
    const file = join(folder, name);
    if (await isProgram(file)) return file;
  }
  return undefined;
}

async function isProgram(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}
