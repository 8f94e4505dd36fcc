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

interface Node {
  readonly bytes: Buffer;
  body: EntryBody;
  readonly children: Map<string, Node>;
}

/** Creates a tree with nothing but its root. */
export function createTree(): Tree {
  const root = createNode(Buffer.of(), folderBody);
  let size = 0;

  const descend = (node: Node, name: Buffer): Node => {
    const key = readableName(name);
    const known = node.children.get(key);
    if (known) return known;
    const child = createNode(name, folderBody);
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
        node.children.clear();
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

function createNode(bytes: Buffer, body: EntryBody): Node {
  return { bytes, body, children: new Map() };
}

function blockedBy(path: readonly Buffer[], { body }: Node): string {
  const name = quoteName(path.map(readableName).join("/"));
  return `lies below ${name}, which is a ${body.linkTarget === "" ? "file" : "link"}`;
}

function countBelow(node: Node): number {
  let count = 0;
  for (const waiting = [node]; waiting.length > 0; ) {
    const children = waiting.pop()?.children ?? new Map<string, Node>();
    count += children.size;
    for (const child of children.values()) waiting.push(child);
  }
  return count;
}

function findNode(root: Node, path: readonly string[]): Node | undefined {
  let node: Node | undefined = root;
  for (const name of path) node = node?.children.get(name);
  return node;
}

function listFolder(root: Node, directory: string): readonly Entry[] {
  const parts = directory === "" ? [] : directory.split("/");
  const folder = findNode(root, parts);
  if (!folder) return [];
  const prefix = directory === "" ? "" : `${directory}/`;
  const rawPrefix = rawPrefixOf(root, parts);
  return [...folder.children]
    .sort(([, one], [, other]) => Buffer.compare(one.bytes, other.bytes))
    .map(([name, { bytes, body }]) => {
      const entry = { ...body, path: prefix + name };
      if (rawPrefix === undefined && isUtf8(bytes)) return entry;
      return { ...entry, rawPath: Buffer.concat([rawPrefix ?? Buffer.from(prefix), bytes]) };
    });
}

/** The bytes of a folder's path and a slash, only where they are no UTF-8. */
function rawPrefixOf(root: Node, parts: readonly string[]): Buffer | undefined {
  const names = parts.map((_part, at) => findNode(root, parts.slice(0, at + 1))?.bytes ?? Buffer.of());
  if (names.every((name) => isUtf8(name))) return undefined;
  return Buffer.concat(names.flatMap((name) => [name, Buffer.from("/")]));
}
