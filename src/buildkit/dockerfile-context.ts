import { byPathBytes, type Context, createMemoryReader, type Entry, findEntry, isRegular } from "../model/context.ts";

/**
 * Creates the context that the daemon reads the Dockerfile from: the build's own, and beside the Dockerfile, where it has
 * none, an ignore file of its name that says what the context's .dockerignore says. The frontend looks for that one first,
 * and otherwise asks for the other in an upload by itself, which takes a twentieth of a small build.
 * @param dockerfile path of the Dockerfile
 */
export function createDockerfileContext(context: Context, dockerfile: string): Context {
  const path = `${dockerfile}.dockerignore`;
  const end = path.lastIndexOf("/");
  const folder = path.slice(0, Math.max(0, end));
  const find = async (wanted: string) =>
    (await findEntry(context, wanted)) ?? (wanted === path ? await ignoreFile(context, path) : undefined);
  return {
    async list(directory) {
      const entries = await context.list(directory);
      if (directory !== folder || entries.some((entry) => entry.path === path)) return entries;
      const added = await ignoreFile(context, path);
      return added ? [...entries, added].sort(byPathBytes) : entries;
    },
    find,
  };
}

/** Undefined where .dockerignore is no plain file: what that means is the daemon's to say. */
async function ignoreFile(context: Context, path: string): Promise<Entry | undefined> {
  const named = await findEntry(context, ".dockerignore");
  // A time of its own: of equal size and time the daemon would take it for a file that had this name before.
  if (named) return isRegular(named) ? { ...named, path, modifiedNs: named.modifiedNs + 1n } : undefined;
  const text = Buffer.from("# nothing\n");
  return {
    path,
    mode: 0o644,
    size: text.length,
    modifiedNs: 0n,
    linkTarget: "",
    open: () => createMemoryReader(text),
  };
}
