import { randomUUID } from "node:crypto";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";

const keepForeignMs = 7 * 24 * 60 * 60 * 1000;

/**
 * Makes a folder for everything temporary of this process, and removes those of processes that have died: what they
 * left is of no use, as steps fetch again what they need. Several processes may share the folder above, on several
 * machines too; of another machine's nobody knows whether they live, and these go when they are old.
 */
export async function openProcessFolder(
  above: string,
): Promise<AsyncDisposable & { readonly path: string; readonly name: string }> {
  const name = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  const path = join(above, name);
  await mkdir(path, { recursive: true, mode: 0o700 });
  const dead = (await readdir(above)).filter((other) => other !== name && !lives(other));
  await Promise.all(dead.map((other) => removeUnlessForeign(join(above, other), other)));
  return { path, name, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Only of this machine's it is known; what has another form is of an earlier version. */
function lives(name: string): boolean {
  const [, host, pid] = /^(.*)-(\d+)-[0-9a-f]{8}$/.exec(name) ?? [];
  if (host !== hostname()) return false;
  try {
    return process.kill(Number(pid), 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function removeUnlessForeign(path: string, name: string): Promise<void> {
  const isForeign = /-\d+-[0-9a-f]{8}$/.test(name) && !name.startsWith(`${hostname()}-`);
  const changedMs = isForeign ? ((await stat(path).catch(() => undefined))?.mtimeMs ?? 0) : 0;
  if (Date.now() - changedMs > keepForeignMs) await rm(path, { recursive: true, force: true });
}
