import { type FileHandle, open } from "node:fs/promises";
import { Header, Pax } from "tar";
import { BuilderError } from "../errors.ts";
import { type Context, type Entry, isDirectory, isRegular, isSymlink } from "../model/context.ts";
import { quoteName } from "./entry-name.ts";
import { blockBytes } from "./tar-blocks.ts";

const chunkBytes = 1024 * 1024;

/** What an archive of the build API holds. */
export interface ArchiveContent {
  /** Goes into the folder `context`. */
  readonly context: Context;
  /** Small files at the root, after the context: their bytes by name. */
  readonly files: Readonly<Record<string, Buffer>>;
}

/**
 * Writes the archive of one build: USTAR, with PAX headers for long names. Owners are root; a hard link becomes a file
 * of its own.
 * @param file its path; must not exist
 * @param options.onChunk sees every byte, in order
 * @throws BuilderError `context_invalid` for an entry that a tar cannot hold, or that became shorter meanwhile
 */
export async function writeArchive(
  file: string,
  { context, files }: ArchiveContent,
  { signal, onChunk }: { signal: AbortSignal; onChunk: (chunk: Buffer) => void },
): Promise<void> {
  await using handle = await open(file, "wx", 0o600);
  const output = createOutput(handle, onChunk);
  await output.write(headerOf({ path: "context", type: "Directory", mode: 0o755, size: 0, modifiedNs: 0n }));
  await writeFolder({ context, output, signal, buffer: Buffer.allocUnsafe(chunkBytes) }, "");
  for (const [name, bytes] of Object.entries(files)) {
    await output.write(headerOf({ path: name, type: "File", mode: 0o600, size: bytes.length, modifiedNs: 0n }));
    await output.write(bytes);
    await output.write(fillOf(bytes.length));
  }
  await output.write(Buffer.alloc(2 * blockBytes));
  await output.flush();
}

interface Output {
  /** Copies: what was given may be used again. */
  write(bytes: Buffer): Promise<void>;
  flush(): Promise<void>;
}

/** Gathers small writes. */
function createOutput(handle: FileHandle, onChunk: (chunk: Buffer) => void): Output {
  const gathered = Buffer.allocUnsafe(chunkBytes);
  let used = 0;
  const send = async (bytes: Buffer) => {
    onChunk(bytes);
    await handle.writeFile(bytes);
  };
  const flush = async () => {
    if (used > 0) await send(gathered.subarray(0, used));
    used = 0;
  };
  return {
    flush,
    async write(bytes) {
      if (used + bytes.length > chunkBytes) await flush();
      if (bytes.length >= chunkBytes) return await send(bytes);
      used += bytes.copy(gathered, used);
    },
  };
}

interface Writing {
  readonly context: Context;
  readonly output: Output;
  readonly signal: AbortSignal;
  readonly buffer: Buffer;
}

async function writeFolder(writing: Writing, directory: string): Promise<void> {
  for (const entry of await writing.context.list(directory)) {
    writing.signal.throwIfAborted();
    await writing.output.write(headerOf({ ...described(entry), path: `context/${entry.path}` }));
    if (isDirectory(entry)) await writeFolder(writing, entry.path);
    else if (isRegular(entry)) await writeFile(entry, writing);
  }
}

interface Described {
  readonly path: string;
  readonly type: "Directory" | "File" | "SymbolicLink";
  readonly mode: number;
  readonly size: number;
  readonly modifiedNs: bigint;
  readonly linkpath?: string;
}

function described(entry: Entry): Described {
  const { path, mode, size, modifiedNs, linkTarget } = entry;
  if (entry.rawPath) throw fault(entry, "has a name that is no UTF-8, which a tar archive cannot hold");
  const all = { path, mode: mode & 0o777, modifiedNs };
  if (isDirectory(entry)) return { ...all, type: "Directory", size: 0 };
  if (isSymlink(entry)) return { ...all, type: "SymbolicLink", size: 0, linkpath: linkTarget };
  if (isRegular(entry)) return { ...all, type: "File", size };
  throw fault(entry, "is no file, folder or link");
}

/** One header, after a PAX header where the path, the link or the size does not fit into it. */
function headerOf({ modifiedNs, ...fields }: Described): Buffer {
  const mtime = new Date(Number(modifiedNs / 1_000_000_000n) * 1000);
  const header = new Header({ ...fields, mtime, uid: 0, gid: 0 });
  const block = Buffer.alloc(blockBytes);
  if (!header.encode(block)) return block;
  const { path, size, linkpath } = fields;
  return Buffer.concat([new Pax({ path, size, ...(linkpath !== undefined && { linkpath }) }).encode(), block]);
}

async function writeFile(entry: Entry, { output, signal, buffer }: Writing): Promise<void> {
  const reader = entry.open();
  let left = entry.size;
  try {
    while (left > 0) {
      signal.throwIfAborted();
      const length = await reader.read(buffer.subarray(0, Math.min(left, buffer.length)));
      if (length === 0) throw fault(entry, "became shorter while it was read");
      await output.write(buffer.subarray(0, length));
      left -= length;
    }
  } finally {
    await reader.close();
  }
  await output.write(fillOf(entry.size));
}

function fillOf(size: number): Buffer {
  return Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes);
}

function fault({ path }: Entry, rule: string): BuilderError {
  return new BuilderError("context_invalid", `${quoteName(path)} ${rule}`);
}
