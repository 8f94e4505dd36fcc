import { byPathBytes, type Context, type Entry, isDirectory, modeDirectory } from "../model/context.ts";

/** A context laid into another one: its root comes to lie at the clean path `at`, "" for the root. */
export interface Layer {
  readonly at: string;
  readonly context: Context;
}

/**
 * Creates a context out of layers. Where two have the same name the later one wins; folders merge, and keep the first
 * one's mode, as a folder does that is copied to where one is. A file hides what earlier layers have below its name, and
 * a later folder hides an earlier file. Folders that only lead to a layer have mode 0755.
 */
export function createOverlayContext(layers: readonly Layer[]): Context {
  const [only] = layers;
  if (only?.at === "" && layers.length === 1) return only.context;
  const visible = new Map<string, readonly Layer[]>([["", layers]]);

  const list = async (directory: string): Promise<readonly Entry[]> => {
    const found = new Map<string, { entry: Entry; from: Layer[] }>();
    for (const layer of await visibleIn(directory)) {
      for (const entry of await listLayer(layer, directory)) {
        const known = found.get(entry.path);
        const merges = known && isDirectory(known.entry) && isDirectory(entry);
        found.set(entry.path, merges ? { ...known, from: [...known.from, layer] } : { entry, from: [layer] });
      }
    }
    for (const [path, { from }] of found) visible.set(path, from);
    return [...found.values()].map(({ entry }) => entry).sort(byPathBytes);
  };

  /** The layers that have the folder: known once the folder above it was listed. */
  const visibleIn = async (directory: string): Promise<readonly Layer[]> => {
    const known = visible.get(directory);
    if (known) return known;
    await list(directory.includes("/") ? directory.slice(0, directory.lastIndexOf("/")) : "");
    return visible.get(directory) ?? [];
  };

  const ahead = (directories: readonly string[]): Disposable => {
    const told = layers.map(({ at, context }) => {
      const below = directories.flatMap((directory) => belowOf(at, directory) ?? []);
      return below.length > 0 ? context.ahead?.(below) : undefined;
    });
    return {
      [Symbol.dispose]() {
        for (const each of told) each?.[Symbol.dispose]();
      },
    };
  };

  return { list, ahead };
}

/** A directory's path in what is laid at `at`; undefined where it lies beside. */
function belowOf(at: string, directory: string): string | undefined {
  if (at === "") return directory;
  if (directory === at) return "";
  return directory.startsWith(`${at}/`) ? directory.slice(at.length + 1) : undefined;
}

async function listLayer({ at, context }: Layer, directory: string): Promise<readonly Entry[]> {
  if (at === "") return context.list(directory);
  const below = belowOf(at, directory);
  if (below !== undefined) {
    const entries = await context.list(below);
    return entries.map((entry) => movedBelow(at, entry));
  }
  const isOnTheWay = directory === "" || at.startsWith(`${directory}/`);
  return isOnTheWay ? [wayTo(at, directory)] : [];
}

function movedBelow(at: string, entry: Entry): Entry {
  const moved = { ...entry, path: `${at}/${entry.path}` };
  return entry.rawPath ? { ...moved, rawPath: Buffer.concat([Buffer.from(`${at}/`), entry.rawPath]) } : moved;
}

/** The folder below `directory` through which the way to `at` leads. */
function wayTo(at: string, directory: string): Entry {
  const end = at.indexOf("/", directory === "" ? 0 : directory.length + 1);
  return {
    path: end < 0 ? at : at.slice(0, end),
    mode: modeDirectory + 0o755,
    size: 0,
    modifiedNs: 0n,
    linkTarget: "",
    open() {
      throw new Error("a folder cannot be read");
    },
  };
}
