import { createHash, type Hash } from "node:crypto";
import { type Context, type Entry, isDirectory, isRegular } from "../model/context.ts";
import { createDirectoryContext } from "./directory.ts";

const bufferBytes = 256 * 1024;

/**
 * The digest of a handler's folder that faas-cli makes a tag of (`--tag digest`): the MD5 of the MD5s, in hex and joined, of
 * its regular files in the order of their paths' bytes. Links, modes and names do not count, and nothing is left out.
 * @throws BuilderError `context_invalid` where there is no such folder, `path_forbidden` where it lies outside
 */
export async function digestHandler(
  folder: string,
  { within, signal }: { within: string; signal: AbortSignal },
): Promise<string> {
  const context = createDirectoryContext(folder, { within, links: "keep" });
  const files: Entry[] = [];
  await gather(context, "", files);
  const all = createHash("md5");
  for (const file of files.map(withBytes).sort(byBytes)) {
    signal.throwIfAborted();
    all.update(await digestFile(file.entry));
  }
  return all.digest("hex");
}

async function gather(context: Context, directory: string, files: Entry[]): Promise<void> {
  for (const entry of await context.list(directory)) {
    if (isDirectory(entry)) await gather(context, entry.path, files);
    else if (isRegular(entry)) files.push(entry);
  }
}

interface Named {
  readonly entry: Entry;
  readonly bytes: Buffer;
}

function withBytes(entry: Entry): Named {
  return { entry, bytes: entry.rawPath ?? Buffer.from(entry.path) };
}

function byBytes(one: Named, other: Named): number {
  return Buffer.compare(one.bytes, other.bytes);
}

async function digestFile(entry: Entry): Promise<string> {
  const hash: Hash = createHash("md5");
  const buffer = Buffer.allocUnsafe(bufferBytes);
  const reader = entry.open();
  try {
    for (let read = await reader.read(buffer); read > 0; read = await reader.read(buffer)) {
      hash.update(buffer.subarray(0, read));
    }
  } finally {
    await reader.close();
  }
  return hash.digest("hex");
}
