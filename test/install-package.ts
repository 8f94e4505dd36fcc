import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "..");

/**
 * Installs the package that is published below FOLDER/node_modules, the others beside it being links to this clone's:
 * what an installation would bring from the registry.
 * @returns the package's folder
 */
export async function installPackage(folder: string): Promise<string> {
  const packed = await mkdtemp(join(tmpdir(), "of-builder-packed-"));
  try {
    await run(process.execPath, [join(root, "scripts/pack.ts"), packed], { cwd: root });
    const [archive = ""] = await readdir(packed);
    const modules = join(folder, "node_modules");
    const installed = join(modules, "of-builder");
    await mkdir(installed, { recursive: true });
    await run("tar", ["xzf", join(packed, archive), "-C", installed, "--strip-components=1"]);
    for (const name of await readdir(join(root, "node_modules"))) {
      if (name !== "of-builder") await symlink(join(root, "node_modules", name), join(modules, name));
    }
    return installed;
  } finally {
    await rm(packed, { recursive: true });
  }
}
