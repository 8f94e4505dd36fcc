import { chmod, mkdir, open, readdir, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BuilderError } from "../errors.ts";
import { type Context, type Entry, isDirectory, isRegular, isSymlink } from "../model/context.ts";
import { quoteName } from "./entry-name.ts";
import { unixPermissions } from "./go-mode.ts";

const chunkBytes = 1024 * 1024;

/**
 * Writes a context to a folder of this disk, modes and links kept. Nothing that exists is written over or through.
 * @param folder must be empty or absent; the folders above it are made
 * @throws BuilderError `usage` where the folder holds something or lies so deep that a path becomes too long,
 *   `context_invalid` for what is no file, folder or link
 */
export async function writeContext(
  context: Context,
  folder: string,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  await makeFresh(folder);
  try {
    await writeFolder({ context, folder, signal, buffer: Buffer.alloc(chunkBytes) }, "");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENAMETOOLONG") throw cause;
    const fix = "Name a folder with a shorter path.";
    throw new BuilderError("usage", `folder ${quoteName(folder)} lies too deep for what is written`, { cause, fix });
  }
}

async function makeFresh(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length === 0) return;
  throw new BuilderError("usage", `folder ${quoteName(folder)} is not empty`, { fix: "Name a folder that is new." });
}

interface Writing {
  readonly context: Context;
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly buffer: Buffer;
}

async function writeFolder(writing: Writing, directory: string): Promise<void> {
  for (const entry of await writing.context.list(directory)) {
    writing.signal.throwIfAborted();
    const place = placeOf(writing.folder, entry);
    if (isDirectory(entry)) {
      await mkdir(place, { mode: 0o700 });
      await writeFolder(writing, entry.path);
      // Last, as nothing can be put into a folder without the right to write.
      await chmod(place, unixPermissions(entry.mode));
    } else if (isSymlink(entry)) {
      await symlink(entry.linkTarget, place);
    } else if (isRegular(entry)) {
      await writeFile(entry, place, writing.buffer);
    } else {
      throw new BuilderError("context_invalid", `${quoteName(entry.path)} is no file, folder or link`);
    }
  }
}

function placeOf(folder: string, { path, rawPath }: Entry): Buffer | string {
  return rawPath ? Buffer.concat([Buffer.from(`${folder}/`), rawPath]) : join(folder, path);
}

async function writeFile(entry: Entry, place: Buffer | string, buffer: Buffer): Promise<void> {
  await using file = await open(place, "wx", 0o600);
  const reader = entry.open();
  try {
    for (let bytes = await reader.read(buffer); bytes > 0; bytes = await reader.read(buffer)) {
      await file.writeFile(buffer.subarray(0, bytes));
    }
  } finally {
    await reader.close();
  }
  await file.chmod(unixPermissions(entry.mode));
}
