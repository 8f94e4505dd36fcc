import { type Context, type Entry, isDirectory } from "../model/context.ts";
import { followPaths, withoutNested } from "./follow-paths.ts";
import { type Carried, type Patterns, parsePatterns } from "./patterns.ts";

/** What the daemon wants of a context; an empty list sets no limit. */
export interface Filter {
  readonly includes: readonly string[];
  readonly excludes: readonly string[];
  readonly follows: readonly string[];
}

/** What is known of a folder on the way down. */
interface Folder {
  /** Set until it has been sent. */
  unsent: Entry | undefined;
  readonly above: Folder | undefined;
  readonly included: Carried | undefined;
  readonly excluded: Carried | undefined;
}

const nothingAbove: Folder = { unsent: undefined, above: undefined, included: undefined, excluded: undefined };

interface Walk {
  readonly context: Context;
  readonly include: Patterns | undefined;
  readonly exclude: Patterns | undefined;
  readonly visit: (entry: Entry) => void;
  readonly breathe: () => Promise<void> | undefined;
}

/** Finding more names than that may take longer than listing them. */
const maxFound = 8;
/** So many entries take a fraction of a millisecond: a look at the clock for each of them would be felt. */
const lookEvery = 16;
/** The longest time that the walk keeps other work of this process waiting. */
const maxTurnMs = 20;

/**
 * Walks a context in the order that the file sync demands: siblings by the bytes of their names, a folder before
 * what is in it, its whole subtree directly after it. A folder that is filtered out is still visited, just before
 * the first entry below it that is not.
 * @param options.visit called once per entry that passes the filter
 * @param options.room answers a promise where the walk should wait before it goes on
 * @throws BuilderError of the context; Error naming a malformed pattern; the signal's reason
 */
export async function walkContext(
  context: Context,
  filter: Filter,
  options: { visit: (entry: Entry) => void; room: () => Promise<void> | undefined; signal: AbortSignal },
): Promise<void> {
  const { visit, room, signal } = options;
  const includes = await includePatterns(context, filter, { signal });
  const include = includes.length === 0 ? undefined : parsePatterns(includes);
  const exclude = filter.excludes.length === 0 ? undefined : parsePatterns(filter.excludes);
  await walkFolder({ context, include, exclude, visit, breathe: createBreath(room, signal) }, "", nothingAbove);
}

async function includePatterns(context: Context, filter: Filter, options: { signal: AbortSignal }) {
  if (filter.follows.length === 0) return filter.includes;
  const followed = await followPaths(context, filter.follows, options);
  return followed === undefined ? filter.includes : (withoutNested([...filter.includes, ...followed]) ?? []);
}

async function walkFolder(walk: Walk, path: string, folder: Folder): Promise<void> {
  const entries = path === "" ? await listRoot(walk) : await walk.context.list(path);
  using _ahead = readAhead(walk, entries, folder);
  for (const entry of entries) {
    const below = visitEntry(walk, entry, folder);
    const breath = walk.breathe();
    if (breath !== undefined) await breath;
    if (below !== undefined) await walkFolder(walk, entry.path, below);
  }
}

/** A Dockerfile, or what one COPY takes, is found without a look at all that lies beside it. */
async function listRoot({ context, include }: Walk): Promise<readonly Entry[]> {
  const names = include?.rootNames;
  if (!context.find || !names || names.length > maxFound) return context.list("");
  const entries: Entry[] = [];
  for (const name of names) {
    const entry = await context.find(name);
    if (entry) entries.push(entry);
  }
  return entries;
}

function readAhead(walk: Walk, entries: readonly Entry[], above: Folder): Disposable | undefined {
  if (!walk.context.ahead) return undefined;
  const folders = entries.filter((entry) => isDirectory(entry) && judge(walk, entry, above).below);
  // The first one is listed at once.
  return folders.length < 2 ? undefined : walk.context.ahead(folders.slice(1).map(({ path }) => path));
}

/** Sends one entry if it is wanted; answers the folder to walk into, if any. */
function visitEntry(walk: Walk, entry: Entry, above: Folder): Folder | undefined {
  if (!walk.include && !walk.exclude) {
    walk.visit(entry);
    return isDirectory(entry) ? nothingAbove : undefined;
  }
  const { wanted, folder, below } = judge(walk, entry, above);
  if (wanted) sendWithFolders(folder, walk.visit);
  return below;
}

/** Decides whether an entry is wanted, and which folder there is to walk into, if any. */
function judge(
  walk: Walk,
  entry: Entry,
  above: Folder,
): { wanted: boolean; folder: Folder; below: Folder | undefined } {
  const included = walk.include?.match(entry.path, above.included);
  const excluded = walk.exclude?.match(entry.path, above.excluded);
  const wanted = included?.matched !== false && excluded?.matched !== true;
  const folder: Folder = { unsent: entry, above, included: included?.carried, excluded: excluded?.carried };
  if (!isDirectory(entry)) return { wanted, folder, below: undefined };
  const barren =
    (included?.matched === false && walk.include?.mayMatchBelow(entry.path, "plain") === false) ||
    (excluded?.matched === true && walk.exclude?.mayMatchBelow(entry.path, "exception") === false);
  return { wanted, folder, below: barren ? undefined : folder };
}

function sendWithFolders(folder: Folder, visit: (entry: Entry) => void): void {
  const line: Folder[] = [];
  for (let each: Folder | undefined = folder; each?.unsent !== undefined; each = each.above) line.push(each);
  for (const each of line.reverse()) {
    visit(each.unsent as Entry);
    each.unsent = undefined;
  }
}

/**
 * Lets other work of the process in when the walk has held it for long, and ends it when it is no longer wanted. Mostly
 * it answers without a promise: one for each entry is felt.
 */
function createBreath(room: () => Promise<void> | undefined, signal: AbortSignal): () => Promise<void> | undefined {
  let turnEnds = performance.now() + maxTurnMs;
  const pause = async (full: Promise<void> | undefined) => {
    await full;
    await new Promise((resolve) => setImmediate(resolve));
    turnEnds = performance.now() + maxTurnMs;
  };
  let entries = 0;
  return () => {
    const full = room();
    entries++;
    if (full === undefined && entries % lookEvery !== 1) return undefined;
    signal.throwIfAborted();
    return full === undefined && performance.now() < turnEnds ? undefined : pause(full);
  };
}
