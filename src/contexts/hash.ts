import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { type Context, type Entry, findEntry, isRegular } from "../model/context.ts";
import { createGatheredHash, type GatheredHash } from "./gathered-hash.ts";
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

interface HashOptions {
  readonly walk: Walk;
  readonly known?: ContextHash | undefined;
  readonly startedMs?: number;
  readonly signal: AbortSignal;
}

/** No file system of today tells times less exactly. */
const settledAfterNs = 2_000_000_000n;
/** Of a file so large the caller's signal is looked at in between. */
const maxUnaskedBytes = 1024 * 1024;
/** The longest time that hashing keeps other work of this process waiting. */
const maxTurnMs = 20;

/**
 * Hashes a context: paths, modes, sizes, link targets and contents of what .dockerignore leaves in it, and the
 * Dockerfile, which a build reads even where it is left out. What is left out is not read. Times do not count.
 * @param options.known an earlier hash of the same folder: where its stamp still holds, no file is read
 * @param options.startedMs when the first of it was read, if that was before
 * @throws BuilderError of the context
 */
export async function hashContext(
  context: Context,
  { walk, known, startedMs = Date.now(), signal }: HashOptions,
): Promise<ContextHash> {
  const startedNs = BigInt(startedMs) * 1_000_000n;
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
  let text = "";
  const numbers = new BigInt64Array(entries.length * 3);
  let newestNs = 0n;
  for (const [at, { path, mode, size, modifiedNs, linkTarget, version = noVersion }] of entries.entries()) {
    // A folder that only leads to a layer of an overlay lies on no disk, and cannot change.
    if (version === noVersion && size > 0) return { stamp: "", newestNs };
    text += `${path}\0${mode}\0${linkTarget}\0${size}\0`;
    numbers[at * 3] = modifiedNs;
    numbers[at * 3 + 1] = BigInt.asIntN(64, version.inode);
    numbers[at * 3 + 2] = version.changedNs;
    if (version.changedNs > newestNs) newestNs = version.changedNs;
  }
  const stamp = createHash("sha256").update(numbers).update(text).digest("hex");
  return { stamp, newestNs };
}

const noVersion = { inode: 0n, changedNs: 0n };

async function contentOf(entries: readonly Entry[], signal: AbortSignal): Promise<string> {
  const gathered = createGatheredHash();
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
async function addFile(gathered: GatheredHash, entry: Entry, signal: AbortSignal): Promise<void> {
  const reader = entry.open();
  let length = 0;
  try {
    for (let more = 1; more > 0 && length < entry.size; length += more) {
      const read = reader.read(gathered.room());
      more = typeof read === "number" ? read : await read;
      gathered.taken(more);
      const behind = gathered.behind();
      if (behind !== undefined) await behind;
      if (length > maxUnaskedBytes) signal.throwIfAborted();
    }
  } finally {
    await reader.close();
  }
  if (length !== entry.size) gathered.addText(`\0${length}`);
}
