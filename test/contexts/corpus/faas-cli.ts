import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { listFolder } from "./listing.ts";

const run = promisify(execFile);

/** What was written for each function, by its name. */
export type Listings = Readonly<Record<string, readonly string[]>>;

/**
 * Has faas-cli assemble the contexts of a folder's stack. CI=true, as on a build server: else the folders that it makes
 * itself are closed to all but their owner, and the image's user could not read them.
 */
export async function shrinkwrapWith(faasCli: string, folder: string): Promise<Listings> {
  const names = await readdir(folder);
  const stackFile = names.includes("stack.yaml") ? "stack.yaml" : "stack.yml";
  const command = ["-c", 'umask 022 && exec "$0" "$@"', faasCli, "build", "--shrinkwrap", "-f", stackFile];
  const env = { PATH: process.env.PATH, HOME: folder, CI: "true" };
  await run("sh", command, { cwd: folder, env });
  return listContexts(join(folder, "build"));
}

/** Lists folders of contexts, each by its function's name. */
export async function listContexts(folder: string): Promise<Listings> {
  const names = (await readdir(folder)).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await listFolder(join(folder, name))] as const)),
  );
}
