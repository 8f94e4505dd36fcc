import type { Context, Entry } from "../../src/model/context.ts";
import { byPathBytes, createMemoryReader, modeDirectory, modeSymlink } from "../../src/model/context.ts";

/** What a test says of one entry; a string is the text of a file. */
export type Sketch =
  | string
  | Buffer
  | (Partial<Omit<Entry, "path" | "open">> & { readonly content?: string | Buffer; readonly open?: Entry["open"] });

/** A symbolic link. */
export function link(linkTarget: string): Sketch {
  return { mode: (modeSymlink | 0o777) >>> 0, linkTarget };
}

/** A folder, for where its mode matters; others are made from the paths. */
export function folder(mode = 0o755): Sketch {
  return { mode: (modeDirectory | mode) >>> 0 };
}

/** A context that lies in memory: paths and what is there. Folders in between come by themselves. */
export function createMemoryContext(sketches: Readonly<Record<string, Sketch>>): Context {
  const lists = new Map<string, Map<string, Entry>>([["", new Map()]]);
  const add = (path: string, sketch: Sketch) => {
    const parent = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
    if (!lists.has(parent)) add(parent, folder());
    const entry = createEntry(path, sketch);
    if ((entry.mode & modeDirectory) !== 0 && !lists.has(path)) lists.set(path, new Map());
    lists.get(parent)?.set(path, entry);
  };
  for (const [path, sketch] of Object.entries(sketches)) add(path, sketch);
  const sorted = new Map([...lists].map(([path, entries]) => [path, [...entries.values()].sort(byPathBytes)]));
  return { list: async (directory) => sorted.get(directory) ?? [] };
}

function createEntry(path: string, sketch: Sketch): Entry {
  const { content = "", ...given } =
    typeof sketch === "string" || Buffer.isBuffer(sketch) ? { content: sketch } : sketch;
  const bytes = Buffer.from(content);
  return {
    path,
    mode: 0o644,
    size: bytes.length,
    modifiedNs: 1_700_000_000_123_456_789n,
    linkTarget: "",
    open: () => createMemoryReader(bytes),
    ...given,
  };
}
