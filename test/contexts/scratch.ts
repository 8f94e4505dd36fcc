import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Context, type Entry, findEntry, isDirectory } from "../../src/model/context.ts";

/** A folder of a test's own, which disposing removes. */
export async function createScratch(): Promise<{ folder: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "of-builder-contexts-"));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

/** All entries of a context, a folder before what is in it. */
export async function listAll(context: Context, directory = ""): Promise<Entry[]> {
  const found: Entry[] = [];
  for (const entry of await context.list(directory)) {
    found.push(entry);
    if (isDirectory(entry)) found.push(...(await listAll(context, entry.path)));
  }
  return found;
}

/** The paths of a context in the order of a walk. */
export async function pathsOf(context: Context): Promise<string[]> {
  return (await listAll(context)).map(({ path }) => path);
}

/** The text of a file, read in pieces of a few bytes. */
export async function textOf(context: Context, path: string): Promise<string> {
  const entry = await findEntry(context, path);
  if (!entry) throw new Error(`no ${path}`);
  return (await bytesOf(entry, 5)).toString();
}

/** The bytes of a file. */
export async function bytesOf(entry: Entry, pieceBytes = 100_000): Promise<Buffer> {
  const reader = entry.open();
  const pieces: Buffer[] = [];
  try {
    for (;;) {
      const piece = Buffer.alloc(pieceBytes);
      const read = await reader.read(piece);
      if (read === 0) return Buffer.concat(pieces);
      pieces.push(piece.subarray(0, read));
    }
  } finally {
    await reader.close();
  }
}

/** Makes a named pipe, which Node itself cannot. */
export function makePipe(path: string): void {
  execFileSync("sh", ["-c", 'mkfifo "$0"', path]);
}
