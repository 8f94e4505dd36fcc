import { isUtf8 } from "node:buffer";
import { type Context, type Entry, isDirectory, modeDirectory } from "../model/context.ts";
import { quoteName, readableName } from "./entry-name.ts";

/** All of an entry but its name. */
export type EntryBody = Omit<Entry, "path" | "rawPath">;

/** A tree of entries that grows by whole paths, the last one of a name winning. */
export interface Tree {
  /** Entries, folders made on the way included. */
  readonly size: number;
  /**
   * Puts an entry; folders that are missing on the way are made with mode 0755. A folder on a folder keeps what is in
   * it, anything else replaces what had the name. An empty path is the root, which stays as it is.
   * @throws what `fault` makes of a sentence when a part on the way is no folder
   */
  put(path: readonly Buffer[], body: EntryBody, fault: (sentence: string) => Error): void;
  /** The entry at a path; links are not followed. */
  find(path: readonly Buffer[]): EntryBody | undefined;
  /** Everything below a folder. */
  context(folder: string): Context;
}

/** There may be half a million: none holds what only some need. */
interface Node {
  /** The name, only where it is no UTF-8: else it is the key under which its folder has it. */
  readonly bytes: Buffer | undefined;
  body: EntryBody;
  children: Map<string, Node> | undefined;
}

/** Creates a tree with nothing but its root. */
export function createTree(): Tree {
  const root: Node = { bytes: undefined, body: folderBody, children: undefined };
  let size = 0;

  const descend = (node: Node, name: Buffer): Node => {
    const key = readableName(name);
    const known = node.children?.get(key);
    if (known) return known;
    const child: Node = { bytes: isUtf8(name) ? undefined : Buffer.from(name), body: folderBody, children: undefined };
    node.children ??= new Map();
    node.children.set(key, child);
    size += 1;
    return child;
  };

  return {
    get size() {
      return size;
    },
    put(path, body, fault) {
      let node = root;
      for (const [depth, name] of path.entries()) {
        if (!isDirectory(node.body)) throw fault(blockedBy(path.slice(0, depth), node));
        node = descend(node, name);
      }
      if (node === root) return;
      if (!isDirectory(body)) {
        size -= countBelow(node);
        node.children = undefined;
      }
      node.body = body;
    },
    find: (path) => findNode(root, path.map(readableName))?.body,
    context(folder) {
      const below = folder === "" ? root : findNode(root, folder.split("/"));
      return { list: async (directory) => (below ? listFolder(below, directory) : []) };
    },
  };
}

const folderBody: EntryBody = {
  mode: modeDirectory + 0o755,
  size: 0,
  modifiedNs: 0n,
  linkTarget: "",
  open() {
    throw new Error("a folder cannot be read");
  },
};

function blockedBy(path: readonly Buffer[], { body }: Node): string {
  const name = quoteName(path.map(readableName).join("/"));
  return `lies below ${name}, which is a ${body.linkTarget === "" ? "file" : "link"}`;
}

function countBelow(node: Node): number {
  let count = 0;
  for (const waiting = [node]; waiting.length > 0; ) {
    const children = waiting.pop()?.children;
    count += children?.size ?? 0;
    for (const child of children?.values() ?? []) waiting.push(child);
  }
  return count;
}

function findNode(root: Node, path: readonly string[]): Node | undefined {
  let node: Node | undefined = root;
  for (const name of path) node = node?.children?.get(name);
  return node;
}

function listFolder(root: Node, directory: string): readonly Entry[] {
  const parts = directory === "" ? [] : directory.split("/");
  const folder = findNode(root, parts);
  if (!folder?.children) return [];
  const prefix = directory === "" ? "" : `${directory}/`;
  const rawPrefix = rawPrefixOf(root, parts);
  return [...folder.children].sort(compareNames).map(([name, { bytes, body }]) => {
    const entry = { ...body, path: prefix + name };
    if (rawPrefix === undefined && bytes === undefined) return entry;
    return { ...entry, rawPath: Buffer.concat([rawPrefix ?? Buffer.from(prefix), bytes ?? Buffer.from(name)]) };
  });
}

/** The order of bytes; below U+D800 that of 16-bit units is the same, and quicker. */
function compareNames(
  [one, { bytes }]: readonly [string, Node],
  [other, { bytes: otherBytes }]: readonly [string, Node],
) {
  if (bytes !== undefined || otherBytes !== undefined || beyond.test(one) || beyond.test(other)) {
    return Buffer.compare(bytes ?? Buffer.from(one), otherBytes ?? Buffer.from(other));
  }
  return one < other ? -1 : 1;
}

const beyond = /[\ud800-\uffff]/;

/** The bytes of a folder's path and a slash, only where they are no UTF-8. */
function rawPrefixOf(root: Node, parts: readonly string[]): Buffer | undefined {
  const names = parts.map((part, at) => findNode(root, parts.slice(0, at + 1))?.bytes ?? Buffer.from(part));
  if (names.every((name) => isUtf8(name))) return undefined;
  return Buffer.concat(names.flatMap((name) => [name, Buffer.from("/")]));
}
