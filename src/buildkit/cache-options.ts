import { mkdir } from "node:fs/promises";
import { BuilderError } from "../errors.ts";
import { BlobFolder, type Descriptor } from "./blob-folder.ts";
import type { CacheOptionsEntry } from "./generated/control.ts";

/** A cache to take from or to fill, as buildctl says it: type registry, inline, local, gha, s3, azblob. */
export interface CacheEntry {
  readonly type: string;
  /** Such as ref and mode; of "local", `src` or `dest` is a folder of this machine, `tag` (latest) a name in it. */
  readonly attrs: Readonly<Record<string, string>>;
}

/** The caches of one build, made ready. */
export interface Caches {
  readonly imports: readonly CacheOptionsEntry[];
  readonly exports: readonly CacheOptionsEntry[];
  /** The local ones among them, by the id under which the daemon asks for them. */
  readonly stores: ReadonlyMap<string, BlobFolder>;
  /** Names what the build has put into local caches. */
  finish(response: Readonly<Record<string, string>>): Promise<void>;
}

const registryTypes = new Set(["registry", "inline", "local", "gha", "s3", "azblob"]);
const defaultTag = "latest";

/**
 * Makes the caches of a build ready. A local one that is not there yet is left out of the imports, as a first build
 * has none. The daemon gets no path of this machine: local folders get ids.
 * @throws BuilderError `usage` for an entry that says too little, `output_failed` for a folder that is no cache
 */
export async function prepareCaches({
  cacheFrom = [],
  cacheTo = [],
}: {
  cacheFrom?: readonly CacheEntry[] | undefined;
  cacheTo?: readonly CacheEntry[] | undefined;
}): Promise<Caches> {
  const stores = new Map<string, BlobFolder>();
  const tags: { folder: BlobFolder; tag: string }[] = [];
  const imports: CacheOptionsEntry[] = [];
  const exports: CacheOptionsEntry[] = [];
  for (const entry of cacheFrom) {
    const found = entry.type === "local" ? await openImport(entry, stores) : checked(entry);
    if (found !== undefined) imports.push(found);
  }
  for (const entry of cacheTo) {
    if (entry.type === "local") exports.push(await openExport(entry, { stores, tags }));
    else exports.push(checked(entry));
  }
  return {
    imports,
    exports,
    stores,
    async finish(response) {
      const manifest = response["cache.manifest"];
      if (manifest === undefined) return;
      for (const { folder, tag } of tags) await folder.tag(tag, JSON.parse(manifest) as Descriptor);
    },
  };
}

function checked({ type, attrs }: CacheEntry): CacheOptionsEntry {
  if (!registryTypes.has(type))
    throw new BuilderError("usage", `cache type "${type}": expected one of ${[...registryTypes].join(", ")}`);
  if (type === "registry") required({ type, attrs }, "ref");
  return { type, attrs: { ...attrs } };
}

async function openImport(entry: CacheEntry, stores: Map<string, BlobFolder>): Promise<CacheOptionsEntry | undefined> {
  const folder = new BlobFolder(required(entry, "src"));
  const digest = entry.attrs.digest ?? (await folder.resolve(entry.attrs.tag ?? defaultTag));
  if (digest === undefined || (await folder.size(digest)) === undefined) return undefined;
  return { type: "local", attrs: { ...entry.attrs, digest, src: offer(folder, stores) } };
}

async function openExport(
  entry: CacheEntry,
  { stores, tags }: { stores: Map<string, BlobFolder>; tags: { folder: BlobFolder; tag: string }[] },
): Promise<CacheOptionsEntry> {
  const path = required(entry, "dest");
  await mkdir(path, { recursive: true });
  const folder = new BlobFolder(path);
  tags.push({ folder, tag: entry.attrs.tag ?? defaultTag });
  return { type: "local", attrs: { ...entry.attrs, dest: offer(folder, stores) } };
}

/** @returns the id, which the daemon puts "local:" before when it asks */
function offer(folder: BlobFolder, stores: Map<string, BlobFolder>): string {
  const id = `cache-${stores.size}`;
  stores.set(`local:${id}`, folder);
  return id;
}

function required({ type, attrs }: CacheEntry, name: string): string {
  const value = attrs[name];
  if (value === undefined || value === "") throw new BuilderError("usage", `a cache of type ${type} needs "${name}"`);
  return value;
}
