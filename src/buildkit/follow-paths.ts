import { posix } from "node:path";
import { BuilderError } from "../errors.ts";
import { type Context, type Entry, findEntry, isSymlink } from "../model/context.ts";
import { hasWildcard, parseGlob } from "./glob.ts";
import { cleanPath } from "./patterns.ts";

/** A push may hold chains of links that fan out; a real COPY needs a few. */
const maxResolved = 10_000;

/**
 * Resolves the paths that a build step names into include patterns: each path, every symbolic link on the way to
 * it, and what those links lead to. Targets never leave the context: ".." stops at its root.
 * @param paths relative to the context's root, any part may hold wildcards
 * @returns patterns in byte order, none below another; undefined where the root itself is wanted (no filter)
 */
export async function followPaths(
  context: Context,
  paths: readonly string[],
  { signal }: { signal: AbortSignal },
): Promise<string[] | undefined> {
  const lists = rememberLists(context);
  const resolved = new Set<string>();
  const waiting = [...paths].reverse();
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    signal.throwIfAborted();
    if (resolved.size > maxResolved || waiting.length > maxResolved) {
      throw new BuilderError("context_invalid", `symbolic links lead to more than ${maxResolved} paths`);
    }
    waiting.push(...(await followOne(lists, cleanPath(`./${path}`), resolved)).reverse());
  }
  return withoutNested([...resolved].sort(compareBytes));
}

/** Drops what lies below a path just before it; undefined where one is the root. The list should be sorted. */
export function withoutNested(paths: readonly string[]): string[] | undefined {
  if (paths.includes(".")) return undefined;
  const kept: string[] = [];
  for (const path of paths) {
    if (!path.startsWith(`${kept.at(-1) ?? ""}/`)) kept.push(path);
  }
  return kept;
}

/** Many paths pass through the same folders: each is listed once, if at all. */
function rememberLists(context: Context): Context {
  const lists = new Map<string, Promise<readonly Entry[]>>();
  return {
    ...(context.find && { find: context.find }),
    list(directory) {
      const list = lists.get(directory) ?? context.list(directory);
      lists.set(directory, list);
      return list;
    },
  };
}

/** Walks one path part by part; answers the paths that its first links lead to. */
async function followOne(context: Context, path: string, resolved: Set<string>): Promise<string[]> {
  const parts = path.split("/");
  for (let count = 1; count <= parts.length; count++) {
    const current = parts.slice(0, count).join("/");
    const targets = await targetsOf(context, current);
    if (targets === undefined && count < parts.length) continue;
    if (resolved.has(current)) return [];
    resolved.add(current);
    const rest = parts.slice(count).join("/");
    return (targets ?? []).map((target) => posix.join("/", target, rest));
  }
  return [];
}

/** Where the links of this path (or of all that its last part matches) lead; undefined where there is none. */
async function targetsOf(context: Context, path: string): Promise<string[] | undefined> {
  const links = (await entriesOf(context, path)).filter(isSymlink);
  return links.length === 0 ? undefined : links.map(targetOf);
}

async function entriesOf(context: Context, path: string): Promise<readonly Entry[]> {
  if (path === "." || path.split("/", 1)[0] === "..") return [];
  const folder = posix.dirname(path);
  const name = posix.basename(path);
  if (!hasWildcard(name)) {
    const entry = await findEntry(context, path);
    return entry === undefined ? [] : [entry];
  }
  const matches = nameGlob(name);
  return (await context.list(folder === "." ? "" : folder)).filter((entry) => matches(posix.basename(entry.path)));
}

/** A malformed wildcard matches nothing here; as an include pattern it is refused by name. "**" is "*" in a name. */
function nameGlob(name: string): (name: string) => boolean {
  try {
    return parseGlob(name.replace(/\*+/gu, "*"));
  } catch {
    return () => false;
  }
}

function targetOf(link: Entry): string {
  return posix.isAbsolute(link.linkTarget)
    ? cleanPath(link.linkTarget)
    : posix.join("/", posix.dirname(link.path), link.linkTarget);
}

function compareBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}
