import { type Context, createMemoryReader, modeSymlink } from "../model/context.ts";
import { createTree, type EntryBody } from "./tree.ts";

/** A file by its bytes, or a symbolic link by its target. `mode`: permission bits, default 0644. */
export type FileSource = { readonly content: string | Uint8Array; readonly mode?: number } | { readonly link: string };

/**
 * Creates a context out of files in memory; everything is of the beginning of 1970.
 * @param files by their clean relative paths; folders come about by themselves, with mode 0755
 */
export function createFilesContext(files: Readonly<Record<string, FileSource>>): Context {
  const tree = createTree();
  for (const [path, source] of Object.entries(files)) {
    const names = path.split("/").map((name) => Buffer.from(name));
    tree.put(names, bodyOf(source), (sentence) => new Error(`${path} ${sentence}`));
  }
  return tree.context("");
}

function bodyOf(source: FileSource): EntryBody {
  if ("link" in source) {
    const open = () => {
      throw new Error("a link cannot be read");
    };
    return { mode: modeSymlink | 0o777, size: 0, modifiedNs: 0n, linkTarget: source.link, open };
  }
  const bytes = Buffer.from(source.content);
  return {
    mode: source.mode ?? 0o644,
    size: bytes.length,
    modifiedNs: 0n,
    linkTarget: "",
    open: () => createMemoryReader(bytes),
  };
}
