import { createHash, type Hash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { type Context, type Entry, findEntry, isRegular } from "../model/context.ts";
import { readIgnorePatterns } from "./ignore-file.ts";

/** Visits what a build sees of a context, in its order: the same walk that a build uploads by. */
export type Walk = (
  context: Context,
  excludes: readonly string[],
  options: { visit(entry: Entry): void; signal: AbortSignal },
) => Promise<void>;

/** What a context amounts to, in a few bytes. */
export interface ContextHash {
  /** Hex SHA-256 of everything that can matter to a build: equal for equal trees, wherever and whenever they were written. */
  readonly content: string;
  /** Hex SHA-256 of what the disk tells of the files without reading them; "" where the source cannot tell. */
  readonly stamp: string;
  /** False while a file was written so lately that a further write may leave its times as they are. */
  readonly settled: boolean;
}

/** No file system of today tells times less exactly. */
const settledAfterNs = 2_000_000_000n;
const bufferBytes = 1024 * 1024;
const maxHeaderBytes = 64 * 1024;
/** The longest time that hashing keeps other work of this process waiting. */
const maxTurnMs = 20;

/**
 * Hashes a context: paths, modes, sizes, link targets and contents of what .dockerignore leaves in it, and the
 * Dockerfile, which a build reads even where it is left out. What is left out is not read. Times do not count.
 * @param options.known an earlier hash of the same folder: where its stamp still holds, no file is read
 * @throws BuilderError of the context
 */
export async function hashContext(
  context: Context,
  { walk, known, signal }: { walk: Walk; known?: ContextHash | undefined; signal: AbortSignal },
): Promise<ContextHash> {
  const startedNs = BigInt(Date.now()) * 1_000_000n;
  const entries = await readEntries(context, walk, signal);
  const { stamp, newestNs } = stampOf(entries);
  const settled = newestNs + settledAfterNs < startedNs;
  if (known?.settled && stamp !== "" && known.stamp === stamp) return { ...known, settled };
  return { content: await contentOf(entries, signal), stamp, settled };
}

async function readEntries(context: Context, walk: Walk, signal: AbortSignal): Promise<readonly Entry[]> {
  const dockerfile = await findEntry(context, "Dockerfile");
  const entries: Entry[] = dockerfile ? [dockerfile] : [];
  const visit = (entry: Entry) => void entries.push(entry);
  await walk(context, await readIgnorePatterns(context), { visit, signal });
  return entries;
}

function stampOf(entries: readonly Entry[]): { stamp: string; newestNs: bigint } {
  const gathered = createGathered(createHash("sha256"));
  let newestNs = 0n;
  for (const { path, mode, size, modifiedNs, linkTarget, version } of entries) {
    // A folder that only leads to a layer of an overlay lies on no disk, and cannot change.
    if (version === undefined && size > 0) return { stamp: "", newestNs };
    const { inode, changedNs } = version ?? { inode: 0n, changedNs: 0n };
    gathered.addText(`${path}\0${mode}\0${linkTarget}\0${size}\0${modifiedNs}\0${inode}\0${changedNs}\0`);
    if (changedNs > newestNs) newestNs = changedNs;
  }
  return { stamp: gathered.digest(), newestNs };
}

async function contentOf(entries: readonly Entry[], signal: AbortSignal): Promise<string> {
  const gathered = createGathered(createHash("sha256"));
  let turnEnds = performance.now() + maxTurnMs;
  for (const entry of entries) {
    const name = entry.rawPath ? `\0${entry.rawPath.toString("hex")}` : entry.path;
    gathered.addText(`${name}\0${entry.mode}\0${entry.linkTarget}\0${entry.size}\0`);
    if (isRegular(entry) && entry.size > 0) await addFile(gathered, entry, signal);
    if (performance.now() < turnEnds) continue;
    signal.throwIfAborted();
    await setImmediate();
    turnEnds = performance.now() + maxTurnMs;
  }
  return gathered.digest();
}

/** A file that has become shorter meanwhile gives a hash that no settled folder has: its length comes last, too. */
async function addFile(gathered: Gathered, entry: Entry, signal: AbortSignal): Promise<void> {
  const reader = entry.open();
  let length = 0;
  try {
    for (let more = 1; more > 0 && length < entry.size; length += more) {
      const read = reader.read(gathered.room());
      more = typeof read === "number" ? read : await read;
      gathered.taken(more);
      if (length > bufferBytes) signal.throwIfAborted();
    }
  } finally {
    await reader.close();
  }
  if (length !== entry.size) gathered.addText(`\0${length}`);
}

/** One large buffer before the hash: a call for each file's few bytes would take longer than hashing them. */
interface Gathered {
  addText(text: string): void;
  /** Where the next bytes may be written to. */
  room(): Uint8Array;
  taken(bytes: number): void;
  digest(): string;
}

/** The buffer that the last hash used: many small contexts would else cost more memory than work. */
let spare: Buffer | undefined;

function createGathered(hash: Hash): Gathered {
  const buffer = spare ?? Buffer.allocUnsafeSlow(bufferBytes);
  spare = undefined;
  let at = 0;
  const flush = () => {
    hash.update(buffer.subarray(0, at));
    at = 0;
  };
  return {
    addText(text) {
      if (text.length * 3 > maxHeaderBytes) {
        flush();
        hash.update(text);
        return;
      }
      if (bufferBytes - at < maxHeaderBytes) flush();
      at += buffer.write(text, at);
    },
    room() {
      if (bufferBytes - at < maxHeaderBytes) flush();
      return buffer.subarray(at);
    },
    taken(bytes) {
      at += bytes;
    },
    digest() {
      flush();
      spare = buffer;
      return hash.digest("hex");
    },
  };
}
